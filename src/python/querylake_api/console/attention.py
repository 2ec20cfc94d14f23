"""What needs a human, the most urgent first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel

from querylake_api.health.service import ReadinessReport
from querylake_api.inference.catalog import Catalog, Model, Target
from querylake_api.observability.history import Minute
from querylake_api.rollouts.records.lifecycle import Status
from querylake_api.rollouts.records.repository import Rollout
from querylake_api.upstreams.facts import UpstreamFacts

MAX_ITEMS = 30
MIN_REQUESTS = 20
FAILURE_SHARE = 0.05
"""Of the last minutes' requests, from which on failures are worth a look."""

NEWS_HOURS = 24
"""For how long a rollback or the end of an engine is news."""

Level = Literal["urgent", "warning", "notice"]
_ORDER: tuple[Level, ...] = ("urgent", "warning", "notice")


class Attention(BaseModel):
    """One thing to look at.

    Attributes:
        level: urgent: requests fail or will. warning: something is wrong. notice: a decision waits.
        page: where in the console there is more; empty for the overview.
    """

    level: Level
    title: str
    detail: str
    page: str = ""


def attention(
    readiness: ReadinessReport,
    engines: Sequence[UpstreamFacts],
    catalog: Catalog,
    rollouts: Iterable[Rollout],
    recent: Sequence[Minute],
    lost_usage: float,
    now: datetime,
) -> list[Attention]:
    """Return what needs a human.

    Args:
        recent: the traffic of the last minutes.
        lost_usage: usage records that no disk had room for.
    """
    found = [
        *_dependencies(readiness),
        *_models(catalog),
        *(item for facts in engines for item in _engine(facts, now)),
        *(item for rollout in rollouts for item in _rollout(rollout, now)),
        *_failures(recent),
    ]
    if lost_usage:
        detail = f"{lost_usage:.0f} records were lost because the disk was full. Free some space."
        found.append(Attention(level="warning", title="Usage is incomplete", detail=detail))
    # Stable: within a level, the order above remains.
    return sorted(found, key=lambda item: _ORDER.index(item.level))[:MAX_ITEMS]


def _dependencies(readiness: ReadinessReport) -> Iterable[Attention]:
    if readiness.database.state == "down":
        yield Attention(
            level="urgent",
            title="The database is unavailable",
            detail=f"{readiness.database.detail}. Requests are served with the keys known so far; "
            "keys and rollouts cannot be changed.",
        )
    if readiness.ocr is not None and readiness.ocr.state == "down":
        detail = f"{readiness.ocr.detail}. Requests to /v1/ocr fail."
        yield Attention(level="warning", title="The OCR service is unavailable", detail=detail)


def _models(catalog: Catalog) -> Iterable[Attention]:
    for model in catalog.models:
        if not any(_serves(target) for target in model.stable):
            yield Attention(
                level="urgent",
                title=f"No stable engine serves {model.id}",
                detail=f"Its engines are {_engine_names(model)}. Requests for it get status 503.",
            )


def _engine_names(model: Model) -> str:
    return ", ".join(dict.fromkeys(target.upstream for target in model.stable)) or "missing"


def _serves(target: Target) -> bool:
    facts = target.engine.facts()
    return facts.in_rotation and facts.breaker != "open"


def _engine(facts: UpstreamFacts, now: datetime) -> Iterable[Attention]:
    name = f"Engine {facts.name}"
    if facts.condition in ("down", "stalled"):
        yield Attention(level="urgent", title=f"{name} is {facts.condition}", detail=facts.detail)
    elif facts.condition in ("starting", "draining"):
        yield Attention(level="notice", title=f"{name} is {facts.condition}", detail=facts.detail)
    elif facts.breaker == "open":
        detail = facts.last_error or "too many requests in a row have failed"
        yield Attention(level="urgent", title=f"{name}: circuit breaker open", detail=detail)
    elif facts.unfit:
        yield Attention(
            level="warning", title=f"{name} lacks what it should serve", detail=facts.detail
        )
    last = facts.last_exit
    if last is not None and now.timestamp() - last.at < NEWS_HOURS * 3600:
        why = "ran out of memory" if last.out_of_memory else f"ended: {last.reason}"
        detail = last.detail or "Its supervisor has started it again."
        yield Attention(level="warning", title=f"{name} {why}", detail=detail)


def _rollout(rollout: Rollout, now: datetime) -> Iterable[Attention]:
    title = f"Rollout of {rollout.plan.title or rollout.model}"
    judgement = rollout.judgement or {}
    status = rollout.course.status
    if status is Status.RUNNING and judgement.get("next") == "finish":
        detail = str(judgement.get("refusal") or judgement.get("reason") or "")
        yield _about(title, "is ready to be promoted", detail)
    elif status is Status.PAUSED:
        yield _about(title, "is paused", "It advances when somebody resumes it.")
    elif status is Status.PROMOTED and judgement.get("watch", {}).get("blocked"):
        yield Attention(
            level="urgent",
            title=f"{title} should go back",
            detail=str(judgement["reason"]),
            page="rollouts",
        )
    elif status is Status.ROLLED_BACK and _is_news(rollout.ended_at, now):
        detail = str(judgement.get("reason") or "Its events tell why.")
        yield Attention(
            level="warning", title=f"{title} was rolled back", detail=detail, page="rollouts"
        )


def _about(title: str, state: str, detail: str) -> Attention:
    return Attention(level="notice", title=f"{title} {state}", detail=detail, page="rollouts")


def _is_news(moment: datetime | None, now: datetime) -> bool:
    if moment is None:
        return False
    return now - moment.astimezone(UTC) < timedelta(hours=NEWS_HOURS)


def _failures(recent: Sequence[Minute]) -> Iterable[Attention]:
    requests = sum(minute.requests for minute in recent)
    failures = sum(minute.failures for minute in recent)
    if requests >= MIN_REQUESTS and failures >= FAILURE_SHARE * requests:
        yield Attention(
            level="warning",
            title=f"{failures / requests:.0%} of recent requests failed",
            detail=f"{failures} of {requests} in the last {len(recent)} minutes.",
        )
