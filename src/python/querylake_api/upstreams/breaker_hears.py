"""What an engine's breaker hears of an attempt: only what shows that the engine is ill. Pure.

One of four readers of an `AttemptOutcome`; see `llm_provider.attempt_outcome`. A caller's mistake,
our own strictness, a missing finish reason, and an engine that is well but not the one that is
needed say nothing of its health.
"""

# compiled: runs for each request.

from __future__ import annotations

from typing import Final, Literal

from llm_provider.attempt_outcome import AttemptKind, AttemptOutcome

EngineVerdict = Literal["well", "failed", "unknown"]

_VERDICTS: Final[dict[AttemptKind, EngineVerdict]] = {
    "answered": "well",
    "completed": "well",
    "unfinished": "well",
    "unreadable": "unknown",
    "truncated": "failed",
    "overloaded": "failed",
    "failed": "failed",
    "nonsense": "failed",
    "unreachable": "failed",
    "disconnected": "failed",
    "no_answer": "failed",
}
"""Everything else is unknown."""


def breaker_hears(outcome: AttemptOutcome) -> EngineVerdict:
    """Return what an attempt says of the engine's health."""
    if outcome.kind == "in_band_error":
        # A context that is full, or a limit of an account, is not an illness.
        return "failed" if outcome.status >= 500 else "unknown"
    return _VERDICTS.get(outcome.kind, "unknown")
