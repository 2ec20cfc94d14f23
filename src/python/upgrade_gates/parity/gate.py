"""The line of gate 3 that parity is evidence for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from answer_parity.scores import Estimate
from answer_parity.verdict import Standing
from answer_parity.verdict import Verdict as ParityVerdict
from upgrade_gates.context import Serving
from upgrade_gates.evidence.statement import Figure, Verdict
from upgrade_gates.lock_file import read_lock
from upgrade_gates.parity.line import LINE
from upgrade_gates.parity.run import Result
from upgrade_gates.parity.show import as_text
from upgrade_gates.serving.identity import Identity, identify
from upgrade_gates.session import Session
from upgrade_gates.verification import Verification

_VERDICTS = {Standing.EQUIVALENT: Verdict.PASS, Standing.DIFFERENT: Verdict.FAIL}


def keep(
    session: Session,
    verification: Verification,
    result: Result,
    *,
    accepted: str | None,
    subjects: Mapping[str, str],
    seconds: float,
) -> None:
    """Take the verdict into the evidence, bound to both engines.

    Args:
        accepted: who answers for a difference, and why.
        subjects: further artefacts, such as a recording.
        seconds: time limit of one request.
    """
    new = session.context.serving or session.require("serving")
    identity = _identity(session, new, seconds)
    verdict, reason = _judged(result.verdict, accepted)
    if identity.contradiction is not None:
        verdict = Verdict.FAIL
        reason = f"another engine than the one that was chosen answered: {identity.contradiction}"
    verification.add(
        LINE,
        verdict,
        reason,
        figures=_figures(result, accepted),
        output=f"{as_text(result.verdict, result.versions)}\n{identity.output}",
        subjects={**session.artefacts.digests(identity.binds), **subjects},
    )


def version_subjects(versions: Mapping[str, str | None]) -> dict[str, str]:
    """Return the digest of what the old engine says it is, so that evidence names it."""
    told = versions.get("old")
    if told is None:
        return {}
    return {"old_engine_version": hashlib.sha256(told.encode()).hexdigest()}


def _judged(found: ParityVerdict, accepted: str | None) -> tuple[Verdict, str]:
    verdict = _VERDICTS.get(found.standing, Verdict.INCONCLUSIVE)
    if verdict is Verdict.PASS or accepted is None:
        return verdict, found.sentence
    return Verdict.PASS, f"ACCEPTED BY {accepted}; {found.sentence}"


def _figures(result: Result, accepted: str | None) -> dict[str, Figure]:
    figures: dict[str, Figure] = {
        "standing": result.verdict.standing.value,
        "causes": ", ".join(result.verdict.causes),
        "old_version": result.versions.get("old"),
        "new_version": result.versions.get("new"),
        "accepted_by": accepted,
        "prompts": result.measured.shapes,
        "probes": result.measured.probes,
    }
    for name in ("alone", "in_batch", "noise"):
        estimate: Estimate | None = getattr(result.measured, name)
        if estimate is not None:
            figures[f"{name}_nats"] = round(estimate.value, 6)
            figures[f"{name}_high_nats"] = round(min(estimate.high, 1e6), 6)
    if result.measured.vectors is not None:
        figures["least_cosine"] = round(result.measured.vectors.least_cosine, 6)
        figures["neighbours_kept"] = round(result.measured.vectors.overlap, 4)
    return figures


def _identity(session: Session, serving: Serving, seconds: float) -> Identity:
    lock = session.artefacts.path("runtime_lock")
    pins = read_lock(lock).versions() if lock is not None and lock.exists() else {}
    return identify(serving, pins, session.artefacts.path("runtime_pex"), seconds=seconds)
