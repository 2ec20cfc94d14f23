"""What the records of rollouts show of canary, promotion and rollback. Pure."""

from __future__ import annotations

from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.rollout.records import Records, Rollout
from upgrade_gates.serving.outcome import Outcome

LINES = ("6.canary.route", "6.canary.triggers", "6.promote.default", "6.promote.rollback")
PROMOTED = "promoted"
ROLLED_BACK = "rolled_back"
FLIPPED = "flipped"
_TRIGGERS = ("error_margin", "latency_ratio", "max_connect_failures", "stall_seconds")


def judge_records(records: Records, model: str) -> dict[str, Outcome]:
    """Judge each line that rollouts of a model are evidence for."""
    if records.problem is not None:
        verdict = Verdict.NOT_CHECKABLE if records.absent else Verdict.FAIL
        return dict.fromkeys(LINES, Outcome(verdict, records.problem, records.raw))
    # The one that was made last comes last, whatever order the API lists them in.
    ours = sorted(
        (each for each in records.rollouts if each.model == model), key=lambda one: one.created_at
    )
    begun = [each for each in ours if each.started_at is not None]
    return {
        line: Outcome(found.verdict, found.reason, records.raw, found.figures)
        for line, found in (
            ("6.canary.route", _route(begun, model)),
            ("6.canary.triggers", _triggers(begun, model)),
            ("6.promote.default", _promoted(begun, model)),
            ("6.promote.rollback", _rolled_back(begun, model)),
        )
    }


def _none(model: str) -> Outcome:
    return Outcome(Verdict.INCONCLUSIVE, f"no rollout of {model} has begun")


def _route(begun: list[Rollout], model: str) -> Outcome:
    if not begun:
        return _none(model)
    last = begun[-1]
    shares = ", ".join(f"{step.percent:g}%" for step in last.plan.steps)
    keys = f", {len(last.plan.allow)} keys by name" if last.plan.allow else ""
    return Outcome(Verdict.PASS, f"rollout {last.id} ({last.status}): {shares}{keys}")


def _triggers(begun: list[Rollout], model: str) -> Outcome:
    if not begun:
        return _none(model)
    last = begun[-1]
    set_ = {name: last.plan.judging[name] for name in _TRIGGERS if name in last.plan.judging}
    missing = [name for name in _TRIGGERS if name not in set_]
    if missing:
        return Outcome(Verdict.FAIL, f"rollout {last.id} does not set {', '.join(missing)}")
    said = ", ".join(
        # The API finds out by itself what has no value.
        f"{name} {'by itself' if value is None else value}"
        for name, value in set_.items()
    )
    return Outcome(
        Verdict.PASS, f"rollout {last.id}: {said}; out of memory and a dead engine always count"
    )


def _promoted(begun: list[Rollout], model: str) -> Outcome:
    if not begun:
        return _none(model)
    last = begun[-1]
    if last.status == PROMOTED:
        return Outcome(Verdict.PASS, f"rollout {last.id} is promoted")
    return Outcome(
        Verdict.INCONCLUSIVE, f"rollout {last.id}, the last of {model}, is {last.status}"
    )


def _rolled_back(begun: list[Rollout], model: str) -> Outcome:
    if not begun:
        return _none(model)
    rolled = [each for each in begun if each.status == ROLLED_BACK]
    if not rolled:
        return Outcome(Verdict.INCONCLUSIVE, f"no rollout of {model} was ever rolled back")
    last = rolled[-1]
    took = _flip_seconds(last)
    if took is None:
        return Outcome(
            Verdict.INCONCLUSIVE, f"rollout {last.id} was rolled back, and no flip time is recorded"
        )
    return Outcome(
        Verdict.PASS,
        f"rollout {last.id} was rolled back, and every worker followed within {took:g} s",
        figures={"flip_s": took},
    )


def _flip_seconds(rollout: Rollout) -> float | None:
    """Return how long the last rollback took to reach every worker."""
    changes = [event.id for event in rollout.events if event.kind == ROLLED_BACK]
    for event in rollout.events:
        seconds = event.figures.get("seconds")
        if (
            event.kind == FLIPPED
            and changes
            and event.figures.get("event") == changes[-1]
            and isinstance(seconds, int | float)
        ):
            return float(seconds)
    return None
