"""What the records of rollouts show of canary, promotion and rollback. Pure."""

from __future__ import annotations

from upgrade_gates.evidence.statement import Figure, Verdict
from upgrade_gates.rollout.records import PROMOTED, Records, Rollout
from upgrade_gates.rollout.upgrade import ENGINE_LINE, ThisUpgrade
from upgrade_gates.serving.outcome import Outcome

LINES = ("6.canary.route", "6.canary.triggers", "6.promote.default", "6.promote.rollback")
PARITY_LINE = "6.canary.parity"
"""Judged only where the last rollout's plan makes pairs of answers."""

ROLLED_BACK = "rolled_back"
FLIPPED = "flipped"
SHOWN = 3
"""How many rollouts that do not count are named."""
_TRIGGERS = ("error_margin", "latency_ratio", "max_connect_failures", "stall_seconds")


def judge_records(records: Records, upgrade: ThisUpgrade) -> dict[str, Outcome]:
    """Judge each line that rollouts of this upgrade are evidence for."""
    if records.problem is not None:
        verdict = Verdict.NOT_CHECKABLE if records.absent else Verdict.FAIL
        return dict.fromkeys(LINES, Outcome(verdict, records.problem, records.raw))
    begun, others = upgrade.rollouts(records)
    if not begun:
        none = _none(upgrade, others)
        return dict.fromkeys(LINES, Outcome(none.verdict, none.reason, records.raw))
    found = {
        "6.canary.route": _route(begun[-1]),
        "6.canary.triggers": _triggers(begun[-1]),
        "6.promote.default": _promoted(begun[-1]),
        "6.promote.rollback": _rolled_back(begun),
    }
    if begun[-1].plan.parity is not None:
        found[PARITY_LINE] = _same_answers(begun[-1])
    return {
        line: Outcome(outcome.verdict, outcome.reason, records.raw, outcome.figures)
        for line, outcome in found.items()
    }


def _none(upgrade: ThisUpgrade, others: list[str]) -> Outcome:
    if upgrade.since is None:
        return Outcome(
            Verdict.INCONCLUSIVE,
            f"{ENGINE_LINE} was never shown for this engine, so no rollout can be of it; run: "
            "upgrade_gates serving verify",
        )
    passed_over = f" (not of this upgrade: {'; '.join(others[-SHOWN:])})" if others else ""
    return Outcome(
        Verdict.INCONCLUSIVE,
        f"no rollout of {upgrade.model} to this engine has begun{passed_over}",
    )


def _route(last: Rollout) -> Outcome:
    shares = ", ".join(f"{step.percent:g}%" for step in last.plan.steps)
    keys = f", {len(last.plan.allow)} keys by name" if last.plan.allow else ""
    planned = f"rollout {last.id} ({last.status}; planned: {shares}{keys})"
    if last.served is None:
        return Outcome(
            Verdict.NOT_CHECKABLE,
            f"{planned}: how many requests the candidate served is not known, for the API's "
            "ledger (/admin/usage) cannot be read",
        )
    figures: dict[str, Figure] = {"candidate_served": last.served, "candidate_failed": last.failed}
    if last.served == 0:
        return Outcome(
            Verdict.INCONCLUSIVE,
            f"{planned}: the candidate served no request, and failed {last.failed}; let traffic "
            "come, or put a key on `allow` and ask with it",
            figures=figures,
        )
    return Outcome(
        Verdict.PASS,
        f"{planned}: the candidate served {last.served} requests, {last.failed} failed",
        figures=figures,
    )


def _triggers(last: Rollout) -> Outcome:
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


def _same_answers(last: Rollout) -> Outcome:
    """Judge what pairs of answers have shown. A promotion by override names who decided."""
    told = last.parity
    if told is None:
        return Outcome(Verdict.NOT_CHECKABLE, f"rollout {last.id}: nobody says what its pairs show")
    figures: dict[str, Figure] = {
        "standing": told.standing,
        "pairs": told.pairs,
        "own_pairs": told.own_pairs,
    }
    said = f"rollout {last.id}: {told.sentence}"
    if told.standing == "equivalent":
        return Outcome(Verdict.PASS, said, figures=figures)
    overridden = _override(last) if last.status == PROMOTED else ""
    if overridden:
        return Outcome(Verdict.PASS, f"{said}{overridden}", figures=figures)
    verdict = Verdict.FAIL if told.standing == "different" else Verdict.INCONCLUSIVE
    return Outcome(verdict, said, figures=figures)


def _promoted(last: Rollout) -> Outcome:
    if last.status != PROMOTED:
        return Outcome(
            Verdict.INCONCLUSIVE, f"rollout {last.id}, the last of {last.model}, is {last.status}"
        )
    overridden = _override(last)
    figures: dict[str, Figure] = {"candidate_served": last.served, "overridden": bool(overridden)}
    said = f"rollout {last.id} is promoted{overridden}"
    if not last.served:
        return Outcome(
            Verdict.INCONCLUSIVE,
            f"{said}, and the candidate has served no request that the API's ledger knows of",
            figures=figures,
        )
    return Outcome(
        Verdict.PASS, f"{said}; the candidate served {last.served} requests", figures=figures
    )


def _override(rollout: Rollout) -> str:
    """Return what was overridden at the promotion, as a clause; empty if nothing was."""
    for event in reversed(rollout.events):
        if event.kind == PROMOTED:
            if not event.figures.get("overridden"):
                return ""
            return f", BY OVERRIDE: {event.sentence}"
    return ""


def _rolled_back(begun: list[Rollout]) -> Outcome:
    rolled = [each for each in begun if each.status == ROLLED_BACK]
    if not rolled:
        return Outcome(
            Verdict.INCONCLUSIVE, f"no rollout of {begun[-1].model} to this engine was rolled back"
        )
    last = rolled[-1]
    took = _flip_seconds(last)
    if took is None:
        return Outcome(
            Verdict.INCONCLUSIVE, f"rollout {last.id} was rolled back, and no flip time is recorded"
        )
    figures: dict[str, Figure] = {"flip_s": took, "candidate_served": last.served}
    if not last.served:
        return Outcome(
            Verdict.INCONCLUSIVE,
            f"rollout {last.id} was rolled back, and no request is known that the candidate had "
            "served: a way back that nobody went shows nothing; roll one back with traffic on it",
            figures=figures,
        )
    return Outcome(
        Verdict.PASS,
        f"rollout {last.id} was rolled back after {last.served} requests, and every worker "
        f"followed within {took:g} s",
        figures=figures,
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
