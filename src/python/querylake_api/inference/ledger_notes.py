"""What the ledger notes of an attempt that was the last of its request: what happened. Pure.

One of four readers of an `AttemptOutcome`; see `llm_provider.attempt_outcome`. What became of a
request before an engine had it, or without one, is noted where it is known.
"""

# compiled: runs for each request.

from __future__ import annotations

from typing import Final

from llm_provider.attempt_outcome import AttemptKind
from querylake_api.requests.record import Outcome

_NOTES: Final[dict[AttemptKind, Outcome]] = {
    "answered": "success",
    "completed": "success",
    # The client has the answer, and the engine says that it is all.
    "unfinished": "success",
    "truncated": "truncated",
    "unmarked": "truncated",
    "in_band_error": "in_band_error",
    "rejected": "client_error",
}


def ledger_notes(kind: AttemptKind) -> Outcome:
    """Return the word under which the ledger keeps an attempt."""
    return _NOTES.get(kind, "upstream_error")
