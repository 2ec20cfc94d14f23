"""How many tokens a request may take, before anybody has counted them.

The estimate is held against the limit until the engine has told the real number, so it only has to
be of the right order: a quarter of the text's bytes, and as many tokens for the answer as the
request asks for at most.
"""

# compiled: runs for each request.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

BYTES_OF_TOKEN: Final = 4
"""English text has about four for each token; other scripts have more of both."""

ANSWER_TOKENS: Final = 256
"""For an answer whose length the request leaves to the engine."""

MEDIA_TOKENS: Final = 1000
"""For an image or a sound, whose size in bytes says nothing."""

STEP_PARTS: Final = 10_000
"""Values that are looked at before others get their turn, where a request has so many."""

_LONG: Final = 2048
_ANSWER_FIELDS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_TEXT_FIELDS: Final = (
    "messages",
    "prompt",
    "input",
    "query",
    "documents",
    "instructions",
    "system",
)


def estimated_tokens(request: Mapping[str, Any], *, generates: bool) -> int:
    """Return an estimate for a request.

    Args:
        generates: whether the answer is text, rather than vectors or scores.
    """
    prompt = PromptEstimate(request)
    while prompt.step():
        pass
    return prompt.tokens + answer_tokens(request) if generates else prompt.tokens


class PromptEstimate:
    """The part of the estimate that is for the request itself, made a little at a time."""

    __slots__ = ("_rest", "_size")

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._rest: list[object] = [request[field] for field in _TEXT_FIELDS if field in request]
        self._size = 0

    def step(self, most: int = STEP_PARTS) -> bool:
        """Look at some values more. Return whether any are left."""
        # Not by recursion: how deep it goes is the caller's choice.
        rest = self._rest
        size = 0
        while rest and most > 0:
            most -= 1
            size += _bytes(rest.pop(), rest)
        self._size += size
        return bool(rest)

    @property
    def tokens(self) -> int:
        """The estimate, once nothing is left to look at."""
        return -(-self._size // BYTES_OF_TOKEN)


def answer_tokens(request: Mapping[str, Any]) -> int:
    """Return the part of the estimate that is for the answer, where that is text."""
    times = (_count(request["n"]) or 1) if "n" in request else 1
    for field in _ANSWER_FIELDS:
        if field in request and (most := _count(request[field])):
            return most * times
    return ANSWER_TOKENS * times


def _count(value: object) -> int:
    """Return a number that counts something, 0 for whatever else a request may hold."""
    # True is an int, and no count.
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return max(0, value)


def _bytes(part: object, rest: list[object]) -> int:
    """Return the size of the text that a value is. What it holds besides is added to `rest`."""
    if isinstance(part, str):
        if len(part) > _LONG or part.startswith("data:"):
            return _bytes_of_long(part)
        return len(part) if part.isascii() else len(part.encode(errors="replace"))
    if isinstance(part, dict):
        rest.extend(part.values())
    elif isinstance(part, list):
        if part and isinstance(part[0], int):
            return len(part) * BYTES_OF_TOKEN  # tokens already
        rest.extend(part)
    return 0


def _bytes_of_long(text: str) -> int:
    """Return the size of a text that may be bytes in base64, as a data URL or bare."""
    head = text[:_LONG]
    if text.startswith("data:") or (" " not in head and "\n" not in head and head.isascii()):
        return MEDIA_TOKENS * BYTES_OF_TOKEN
    if text.isascii():
        return len(text)
    # To encode all of it would take as long as to parse it. The middle is as the rest, nearly.
    middle = text[len(text) // 2 :][:_LONG]
    return len(text) * len(middle.encode(errors="replace")) // len(middle)
