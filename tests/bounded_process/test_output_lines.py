"""A child's output comes line by line, whatever it writes."""

from __future__ import annotations

import asyncio
import os

from bounded_process.output_lines import MAX_LINE_BYTES, lines_of, open_pipe


async def read_back(*pieces: bytes) -> list[bytes]:
    reader, writer = await open_pipe()

    def write() -> None:
        for piece in pieces:
            left = memoryview(piece)
            while left:
                left = left[os.write(writer, left) :]
        os.close(writer)

    writing = asyncio.to_thread(write)
    lines, _ = await asyncio.gather(_all(reader), writing)
    return lines


async def _all(reader: asyncio.StreamReader) -> list[bytes]:
    return [line async for line in lines_of(reader)]


async def test_lines_come_without_their_line_feeds_and_the_last_one_without_having_any() -> None:
    assert await read_back(b"a\n\nb", b"c\nlast") == [b"a", b"", b"bc", b"last"]


async def test_a_line_that_is_far_too_long_comes_in_pieces() -> None:
    text = os.urandom(4 * MAX_LINE_BYTES).replace(b"\n", b" ")
    lines = await read_back(text, b"\nnext\n")
    assert b"".join(lines[:-1]) == text
    assert lines[-1] == b"next"
    assert len(lines) > 2
