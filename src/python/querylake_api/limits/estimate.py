"""How many tokens a request may take, before anybody has counted them.

The estimate is held against the limit until the engine has told the real number, so it only has to
be of the right order: a quarter of the text's bytes, and as many tokens for the answer as the
request asks for at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BYTES_OF_TOKEN = 4
"""English text has about four for each token; other scripts have more of both."""

ANSWER_TOKENS = 256
"""For an answer whose length the request leaves to the engine."""

MEDIA_TOKENS = 1000
"""For an image or a sound, whose size in bytes says nothing."""

_LONG = 2048
_ANSWER_FIELDS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_TEXT_FIELDS = ("messages", "prompt", "input", "query", "documents", "instructions", "system")


def estimated_tokens(request: Mapping[str, Any], *, generates: bool) -> int:
    """Return an estimate for a request.

    Args:
        generates: whether the answer is text, rather than vectors or scores.
    """
    prompt = _bytes([request[field] for field in _TEXT_FIELDS if field in request])
    tokens = -(-prompt // BYTES_OF_TOKEN)
    return tokens + answer_tokens(request) if generates else tokens


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


def _bytes(rest: list[object]) -> int:
    """Return the size of the text in parts of a request, which are used up."""
    # Not by recursion: how deep it goes is the caller's choice.
    size = 0
    while rest:
        part = rest.pop()
        if isinstance(part, str):
            if len(part) > _LONG or part.startswith("data:"):
                size += _bytes_of_long(part)
            else:
                size += len(part) if part.isascii() else len(part.encode(errors="replace"))
        elif isinstance(part, dict):
            rest.extend(part.values())
        elif isinstance(part, list):
            if part and isinstance(part[0], int):
                size += len(part) * BYTES_OF_TOKEN  # tokens already
            else:
                rest.extend(part)
    return size


def _bytes_of_long(text: str) -> int:
    """Return the size of a text that may be bytes in base64, as a data URL or bare."""
    head = text[:_LONG]
    if text.startswith("data:") or (" " not in head and "\n" not in head and head.isascii()):
        return MEDIA_TOKENS * BYTES_OF_TOKEN
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
