"""What one attempt at one engine met, told apart finely enough for all who ask.

Nobody here decides anything. Who reads it, each in a place of its own:
 - the ledger notes what happened: `querylake_api.inference.ledger_notes`;
 - the breaker hears what shows that an engine is ill: `querylake_api.upstreams.breaker_hears`;
 - the dispatcher asks another replica where that can help: `querylake_api.inference.retries`;
 - a rollout counts what users of an arm suffered: `querylake_api.rollouts`.
"""

# compiled: runs for each request.

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

AttemptKind = Literal[
    "answered",
    "begun",
    "completed",
    "unfinished",
    "unreadable",
    "unmarked",
    "truncated",
    "in_band_error",
    "rejected",
    "busy",
    "overloaded",
    "failed",
    "nonsense",
    "empty",
    "unfit",
    "oversized",
    "unreachable",
    "disconnected",
    "no_answer",
    "out_of_time",
]
"""Of whole answers:
answered: without an error. rejected: 4xx, for what was asked. busy: 429, or 503 with `Retry-After`.
overloaded: 503 without. failed: 5xx, also inside a 200. nonsense: no HTTP, or no JSON.
oversized: beyond a limit of ours.

Of streams:
begun: the first event, without an error. completed: to the end. unfinished: the end came, and a
finish reason did not. unmarked: a finish reason came and the end of the body, and no end marker.
unreadable: to the end, with events that we cannot read. truncated: it broke off, as a document may.
in_band_error: an error after it had begun. empty: no event before its end.

Of either:
unfit: the engine is well and is not the one needed here: a redirect, no such route or model, our
credentials refused, a form that was not asked for. unreachable: no connection. disconnected: it was
lost before the answer. no_answer: too slow, while the engine owed something. out_of_time: beyond
the time that the operator gives to a whole call.
"""


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """What one attempt met.

    Attributes:
        status: the HTTP status that it amounts to, also where it came inside a 200; 0 if none.
        reason: what happened, in one clause for the log, with the engine's name; empty if all is
            well.
        hold: for how many seconds the engine wants no more requests.
    """

    kind: AttemptKind
    status: int = 0
    reason: str = ""
    hold: float = 0.0


ANSWERED: Final = AttemptOutcome("answered", 200)
BEGUN: Final = AttemptOutcome("begun", 200)
COMPLETED: Final = AttemptOutcome("completed", 200)
