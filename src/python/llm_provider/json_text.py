"""JSON as engines and clients really write it, read and written within one limit of depth.

orjson reads 1024 levels and writes 254, so what it has read it may be unable to write. It also
refuses half a surrogate pair (`"\\ud83d"`), which engines send when a token ends in a character,
and numbers such as NaN. None of that is a fault that anybody but us would notice.
"""

# compiled: runs for each request.

from __future__ import annotations

import json
from typing import Any, Final

import orjson

MAX_DEPTH: Final = 1024
"""Levels of arrays and objects that are read, which is orjson's limit. All of them are written."""

SMALL_BYTES: Final = 256 * 1024
"""A text up to this size takes some milliseconds to read, whatever it holds."""

MAX_VALUES: Final = 150_000
"""Commas, colons and opening brackets of a larger text. Reading takes as long as it takes, and the
event loop stands still meanwhile: with as many marks, some 40 ms."""

MARKS: Final = (b",", b":", b"[", b"{")
"""What stands before nearly every value or name."""

_SLICE: Final = 1024 * 1024

_LENIENT_BYTES: Final = SMALL_BYTES
"""Texts up to this size are read a second time, leniently: that is ten times slower."""


class _Text:
    """Bytes that are JSON already, between values that are still to be written."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text


_COMMA: Final = _Text(b",")
_END_OF_LIST: Final = _Text(b"]")
_END_OF_OBJECT: Final = _Text(b"}")


def read_json(text: bytes) -> Any:
    """Return the value of a JSON text from an engine, also of one that orjson is too strict for.

    Raises:
        ValueError: it is no JSON, deeper than `MAX_DEPTH`, or larger than `SMALL_BYTES` with more
            than `MAX_VALUES`.
    """
    if len(text) > SMALL_BYTES and has_more_values(text, MAX_VALUES):
        raise ValueError(f"JSON with more than {MAX_VALUES} values")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if len(text) > _LENIENT_BYTES:
            raise
    try:
        return json.loads(text.decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError(f"JSON deeper than {MAX_DEPTH} levels") from None


def has_more_values(text: bytes, most: int) -> bool:
    """Return whether a text has more marks of values than `most`; those in its strings count."""
    left = most
    for start in range(0, len(text), _SLICE):
        for mark in MARKS:
            left -= text.count(mark, start, start + _SLICE)
        if left < 0:
            return True
    return False


def reason(error: orjson.JSONDecodeError) -> str:
    """Return why a text is no JSON for us, naming the limit if it is too deep."""
    said = str(error)
    if "depth" in said or "ecursion" in said:
        return f"it is nested deeper than {MAX_DEPTH} levels"
    return said


def write_json(value: Any) -> bytes:
    """Return a value as JSON text, however deep `orjson` or `read_json` found it."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return _written_without_recursion(value)


def _written_without_recursion(value: Any) -> bytes:
    pieces: list[bytes] = []
    rest: list[Any] = [value]
    while rest:
        part = rest.pop()
        if isinstance(part, _Text):
            pieces.append(part.text)
        elif isinstance(part, dict):
            pieces.append(b"{")
            rest.append(_END_OF_OBJECT)
            for at, (name, each) in enumerate(reversed(part.items())):
                if at:
                    rest.append(_COMMA)
                rest.append(each)
                rest.append(_Text(_scalar(name) + b":"))
        elif isinstance(part, list):
            pieces.append(b"[")
            rest.append(_END_OF_LIST)
            for at, each in enumerate(reversed(part)):
                if at:
                    rest.append(_COMMA)
                rest.append(each)
        else:
            pieces.append(_scalar(part))
    return b"".join(pieces)


def _scalar(value: Any) -> bytes:
    # With everything beyond ASCII escaped, half a surrogate pair can be written too.
    return json.dumps(value).encode("ascii")
