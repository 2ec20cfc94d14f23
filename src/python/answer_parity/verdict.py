"""What is said of two engines in the end, and with what power."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from answer_parity.causes import REMEDIES, Cause, Finding
from answer_parity.contract import Change
from answer_parity.scores import MARGIN_NATS, Estimate
from answer_parity.vectors import VectorFigures


class Standing(StrEnum):
    """How two engines compare."""

    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    NOT_DECIDED = "not decided"


@dataclass(frozen=True, slots=True)
class Measurements:
    """All that was measured. None stands for what the engines could not be asked.

    Attributes:
        changes: of the contract, crossed with what callers send if that is known.
        findings: of probes and prompts.
        notices: differences in what the protocol leaves open.
        alone: the divergence of the new engine from the old one, asked one at a time.
        in_batch: the same, asked several at a time.
        noise: the old engine's divergence from itself.
        probes: how many were judged.
        shapes: how many prompts were compared.
        vectors: figures of embedders; None for engines that are none.
        logprobs: whether both tell which kind of logprobs they give.
        rankings: how many lists of documents were ranked by both.
    """

    changes: Sequence[Change] | None = None
    findings: Sequence[Finding] = ()
    notices: Sequence[Finding] = ()
    alone: Estimate | None = None
    in_batch: Estimate | None = None
    noise: Estimate | None = None
    probes: int = 0
    shapes: int = 0
    vectors: VectorFigures | None = None
    logprobs: bool = True
    rankings: int = 0

    @property
    def of_retrieval(self) -> bool:
        """Whether the engines embed or rank, and have no chats to be compared by."""
        return self.vectors is not None or bool(self.rankings)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Equivalent, different or not decided.

    Attributes:
        causes: what explains the difference, the surest first.
        findings: each difference that counts.
        notices: differences that do not count, because the protocol leaves them open.
        sentence: for the reader, with figures.
        not_measured: what nobody looked at.
    """

    standing: Standing
    causes: tuple[Cause, ...]
    findings: tuple[Finding, ...]
    notices: tuple[Finding, ...]
    sentence: str
    not_measured: tuple[str, ...]

    @property
    def remedies(self) -> tuple[str, ...]:
        """What to look at first, a line for each cause."""
        return tuple(f"{cause}: {REMEDIES[cause]}" for cause in self.causes)


def judge(measured: Measurements, margin: float = MARGIN_NATS) -> Verdict:
    """Say whether the new engine may take the old one's place.

    Args:
        margin: the divergence in nats a token that counts as equivalent, beyond the noise.
    """
    findings = [
        *measured.findings,
        *_of_contract(measured.changes or ()),
        *_of_scores(measured, margin),
    ]
    lacking, notices = _not_measured(measured), tuple(measured.notices)
    if findings:
        causes = tuple(dict.fromkeys(finding.cause for finding in findings))
        says = "; ".join(f"{each.cause} ({each.probe}: {each.says})" for each in findings[:3])
        more = f"; and {len(findings) - 3} more" if len(findings) > 3 else ""
        return Verdict(
            Standing.DIFFERENT,
            causes,
            tuple(findings),
            notices,
            f"different: {says}{more}",
            lacking,
        )
    undecided = _undecided(measured, margin)
    if undecided is not None:
        return Verdict(Standing.NOT_DECIDED, (), (), notices, f"not decided: {undecided}", lacking)
    return Verdict(Standing.EQUIVALENT, (), (), notices, _equivalent(measured, margin), lacking)


def _of_contract(changes: Sequence[Change]) -> list[Finding]:
    """Take those for findings that callers are known to send: others may concern nobody."""
    return [
        Finding(change.route, Cause.FIELD, change.sentence())
        for change in changes
        if change.sent and change.hurts
    ]


def _of_scores(measured: Measurements, margin: float) -> list[Finding]:
    allowed = margin + _noise(measured)
    alone, batch = measured.alone, measured.in_batch
    if alone is not None and alone.low > allowed:
        return [Finding("scored text", Cause.WEIGHTS, _figures(alone, allowed))]
    if batch is not None and batch.low > allowed:
        return [
            Finding("scored text in a batch", Cause.KERNEL_UNDER_LOAD, _figures(batch, allowed))
        ]
    return []


def _undecided(measured: Measurements, margin: float) -> str | None:
    if measured.of_retrieval:
        return None
    allowed = margin + _noise(measured)
    for estimate, how in ((measured.alone, "alone"), (measured.in_batch, "in a batch")):
        if estimate is not None and estimate.high > allowed:
            return (
                f"the divergence {how} is {_figures(estimate, allowed)}; "
                f"about {_prompts_needed(estimate, allowed)} prompts would decide it"
            )
    if measured.alone is None and not measured.shapes and not measured.probes:
        return "nothing could be compared"
    return None


def _equivalent(measured: Measurements, margin: float) -> str:
    parts = []
    if measured.vectors is not None:
        parts.append(measured.vectors.sentence())
    if measured.rankings:
        parts.append(f"{measured.rankings} lists of documents are ranked alike")
    if measured.shapes:
        parts.append(f"{measured.shapes} prompts render to the same tokens")
    if measured.probes:
        parts.append(f"{measured.probes} probes agree")
    if measured.alone is not None:
        parts.append(f"the divergence is {_figures(measured.alone, margin + _noise(measured))}")
    return "equivalent: " + ", ".join(parts)


def _not_measured(measured: Measurements) -> tuple[str, ...]:
    if measured.of_retrieval:
        return ()
    lacking = {
        "request fields: an engine has no /openapi.json": measured.changes is None,
        "tokens of prompts: an engine tells neither tokens nor counts": not measured.shapes,
        "scored text: an engine has no prompt_logprobs": measured.alone is None,
        "whether logprobs are raw or processed": not measured.logprobs,
        "arithmetic under load": measured.in_batch is None,
        "the old engine's own noise": measured.noise is None,
    }
    return tuple(what for what, absent in lacking.items() if absent)


def _noise(measured: Measurements) -> float:
    return 0.0 if measured.noise is None else measured.noise.value


def _figures(estimate: Estimate, allowed: float) -> str:
    return (
        f"{estimate.value:.2g} nats a token ({estimate.low:.2g} to {_bound(estimate.high)}, 99%, "
        f"{estimate.prompts} prompts, {estimate.tokens} tokens; {allowed:.2g} is allowed)"
    )


def _bound(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "anything"


def _prompts_needed(estimate: Estimate, allowed: float) -> int:
    """Return a forecast: the interval narrows with the square root of the number of prompts."""
    reach, room = estimate.high - estimate.value, abs(allowed - estimate.value)
    if not math.isfinite(reach) or room <= 0:
        return max(30, 2 * estimate.prompts)
    return max(estimate.prompts + 5, math.ceil(estimate.prompts * (reach / room) ** 2))
