"""Engines as JSON, for administrators."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel

from llm_provider.breaker import BreakerState
from querylake_api.settings import Role
from querylake_api.upstreams.facts import Condition, UpstreamFacts


class ServedModel(BaseModel):
    """A model that an engine serves, by the name that clients use."""

    id: str
    stack: Role


class RuntimeExitView(BaseModel):
    """How the engine's previous process ended."""

    reason: str
    detail: str
    at: datetime
    out_of_memory: bool


class UpstreamView(BaseModel):
    """One engine; see `upstreams.facts.UpstreamFacts` for what the fields mean."""

    object: Literal["upstream"] = "upstream"
    name: str
    models: list[ServedModel]
    condition: Condition
    detail: str
    since: datetime
    in_rotation: bool
    breaker: BreakerState
    outstanding: int
    connect_failures: int
    restarts: int
    last_restart_at: datetime | None
    last_exit: RuntimeExitView | None
    last_error: str | None
    last_error_at: datetime | None
    requests_running: int | None
    requests_waiting: int | None
    tokens_total: int | None
    stalled_seconds: float
    prefix_cache_queries: int | None
    prefix_cache_hits: int | None
    prefix_cache_hit_rate: float | None

    @classmethod
    def of(cls, facts: UpstreamFacts, models: list[ServedModel]) -> UpstreamView:
        """Return the view of an engine."""
        last_exit = facts.last_exit
        return cls(
            name=facts.name,
            models=models,
            condition=facts.condition,
            detail=facts.detail,
            since=_moment(facts.since),
            in_rotation=facts.in_rotation,
            breaker=facts.breaker,
            outstanding=facts.outstanding,
            connect_failures=facts.connect_failures,
            restarts=facts.restarts,
            last_restart_at=_moment_or_none(facts.last_restart_at),
            last_exit=(
                None
                if last_exit is None
                else RuntimeExitView(
                    reason=last_exit.reason,
                    detail=last_exit.detail,
                    at=_moment(last_exit.at),
                    out_of_memory=last_exit.out_of_memory,
                )
            ),
            last_error=facts.last_error,
            last_error_at=_moment_or_none(facts.last_error_at),
            requests_running=facts.requests_running,
            requests_waiting=facts.requests_waiting,
            tokens_total=facts.tokens_total,
            stalled_seconds=round(facts.stalled_seconds, 3),
            prefix_cache_queries=facts.prefix_queries,
            prefix_cache_hits=facts.prefix_hits,
            prefix_cache_hit_rate=_rate(facts.prefix_hits, facts.prefix_queries),
        )


class UpstreamList(BaseModel):
    """Every configured engine, as the worker process that answers sees it."""

    object: Literal["list"] = "list"
    data: list[UpstreamView]


def _rate(hits: int | None, queries: int | None) -> float | None:
    return round(hits / queries, 4) if hits is not None and queries else None


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _moment_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else _moment(seconds)
