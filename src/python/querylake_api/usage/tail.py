"""Reading a spool that is still written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from querylake_api.usage.frames import Kind, decode

CHUNK_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Tail:
    """Some of what a segment holds.

    Attributes:
        entries: the ends.
        taken: how many bytes they and what is between them take.
        damaged: lines that could not be read.
    """

    entries: list[bytes]
    taken: int
    damaged: int


def read_ends(path: Path, start: int, end: int) -> Tail:
    """Return the ends in a part of a file, or in the beginning of that part if it is large."""
    with path.open("rb") as file:
        file.seek(start)
        # Of a spool that is still written, nobody asks what has begun: half of its lines.
        frames = decode(file.read(min(CHUNK_BYTES, end - start)), skipped=Kind.BEGIN)
    entries = [frame.payload for frame in frames.frames]
    return Tail(entries, frames.taken, frames.damaged)
