"""The form of the spool: lines that can be told from what a crash leaves of a line.

A line is a letter, the CRC-32 of letter and payload in hex, a space, the payload, a line feed. The
payload is a JSON object, which holds no line feed, so that after a damaged line the next one is
found again. People can read it too: `cut -c11- FILE`.
"""

# compiled: runs for each request.

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

_HEAD: Final = 10
"""Bytes before the payload."""

_SPACE: Final = ord(" ")


class Kind(IntEnum):
    """What a line tells, by its first byte."""

    BEGIN = ord("B")
    """A request goes to an engine."""
    END = ord("E")
    """A request has ended."""


_KINDS: Final = {kind.value: kind for kind in Kind}


class Frame(NamedTuple):
    """One whole line."""

    kind: Kind
    payload: bytes


@dataclass(frozen=True, slots=True)
class Frames:
    """What some bytes of a spool hold.

    Attributes:
        taken: how many of the bytes were understood or given up; the rest is a line without end.
        damaged: lines that were given up.
    """

    frames: list[Frame]
    taken: int
    damaged: int


def encode(kind: Kind, payload: bytes) -> bytes:
    """Return a line."""
    return b"%c%08x %b\n" % (kind, zlib.crc32(payload, kind), payload)


def payload_of(line: bytes) -> bytes:
    """Return what a line holds that `encode` has made."""
    return line[_HEAD:-1]


def decode(content: bytes, *, skipped: Kind | None = None) -> Frames:
    """Return every whole line, whatever else there is.

    Args:
        skipped: lines of this kind are left out without a look at the rest of them.
    """
    mark = b"" if skipped is None else bytes((skipped,))
    taken = content.rfind(b"\n") + 1
    frames: list[Frame] = []
    damaged = 0
    for line in content[:taken].split(b"\n")[:-1]:
        if mark and line.startswith(mark):
            continue
        frame = _frame(line)
        if frame is not None:
            frames.append(frame)
        elif line:
            damaged += 1
    return Frames(frames, taken, damaged)


def _frame(line: bytes) -> Frame | None:
    if len(line) <= _HEAD or line[_HEAD - 1] != _SPACE:
        return None
    kind = _KINDS.get(line[0])
    payload = line[_HEAD:]
    if kind is None or line[1 : _HEAD - 1] != b"%08x" % zlib.crc32(payload, kind):
        return None
    return Frame(kind, payload)
