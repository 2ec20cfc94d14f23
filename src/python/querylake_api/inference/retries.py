"""Whether a request may be sent again after what an attempt met, and to whom. Pure.

One of four readers of an `AttemptOutcome`; see `llm_provider.attempt_outcome`.
"""

# compiled: runs for each request.

from __future__ import annotations

from typing import Final, Literal

from llm_provider.attempt_outcome import AttemptKind

Retry = Literal["never", "untouched", "touched", "elsewhere"]
"""`untouched`: no engine has begun on the request, so another may have it. `touched`: an engine may
have died on it, so it is dangerous, and one more may have it. `elsewhere`: the engine was the wrong
one, which is no fault of the request: every other may have it, whatever budget is left."""

_RETRIES: Final[dict[AttemptKind, Retry]] = {
    "busy": "untouched",
    "overloaded": "untouched",
    "unreachable": "untouched",
    "unfit": "elsewhere",
    "failed": "touched",
    "nonsense": "touched",
    "empty": "touched",
    "truncated": "touched",
    "disconnected": "touched",
    "no_answer": "touched",
}
"""Everything else would be met again, or something of it has gone to the client."""


def retry_after(kind: AttemptKind) -> Retry:
    """Return whether a request may be sent again, as long as nothing has gone to the client."""
    return _RETRIES.get(kind, "never")


def failed_on(kind: AttemptKind) -> bool:
    """Return whether an attempt that another one follows is held against its engine.

    A replica whose queue is full sends the request on, which costs the caller nothing, and one that
    does not have the model or the route is wrongly configured, and shown as such: neither failed.
    """
    return _RETRIES.get(kind, "elsewhere") != "elsewhere" and kind != "busy"
