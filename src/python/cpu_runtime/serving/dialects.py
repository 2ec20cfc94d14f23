"""The form of error responses: that of the protocol which a path belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cpu_runtime.errors import RequestError
from cpu_runtime.inference.anthropic import errors as anthropic

_MESSAGES = "/v1/messages"


@dataclass(frozen=True, slots=True)
class Dialect:
    """The form of errors.

    Attributes:
        body: of a response that is an error.
        event: the last one of a stream that breaks off.
    """

    body: Callable[[RequestError], bytes]
    event: Callable[[RequestError], bytes]


OPENAI = Dialect(RequestError.body, RequestError.event)
ANTHROPIC = Dialect(anthropic.body_of, anthropic.event_of)


def dialect_of(path: str) -> Dialect:
    """Return the dialect of a path, whether there is something or not."""
    below = path == _MESSAGES or path.startswith(_MESSAGES + "/")
    return ANTHROPIC if below else OPENAI
