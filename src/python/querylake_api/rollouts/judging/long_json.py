"""Writing long JSON without holding up other threads.

`json.dumps` keeps the interpreter's lock until it has written everything, and a list for each of
fifty thousand keys makes a garbage collection due, which keeps it as well: the event loop beside it
stands still for a fifth of a second. So what is long is made and written in parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

PART = 500
"""Members of a list or a dictionary that are there at once: about a millisecond's work."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A list whose members are made when they are written."""

    make: Callable[[], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Members:
    """A dictionary whose members are made when they are written."""

    make: Callable[[], Iterable[tuple[str, Any]]]


def to_json(document: Mapping[str, Any]) -> str:
    """Return a document as JSON without spaces; its own values may be `Rows` and `Members`."""
    written = (f"{json.dumps(name)}:{_value(value)}" for name, value in document.items())
    return "{" + ",".join(written) + "}"


def _value(value: Any) -> str:
    if isinstance(value, Rows):
        return "[" + ",".join(_dumps(part)[1:-1] for part in _parts(value.make())) + "]"
    if isinstance(value, Members):
        return "{" + ",".join(_dumps(dict(part))[1:-1] for part in _parts(value.make())) + "}"
    return _dumps(value)


def _parts(members: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(members)
    while part := list(islice(rest, PART)):
        yield part


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
