"""What a child process writes, line by line, through a pipe that this process reads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

MAX_LINE_BYTES = 64 * 1024


async def open_pipe() -> tuple[asyncio.StreamReader, int]:
    """Return a reader, and the descriptor that is to be written to and closed."""
    read_end, write_end = os.pipe()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb")
    )
    return reader, write_end


async def lines_of(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines without their line feeds; one over `MAX_LINE_BYTES` comes in pieces."""
    rest = b""
    while chunk := await reader.read(MAX_LINE_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
        if len(rest) > MAX_LINE_BYTES:
            yield rest
            rest = b""
    if rest:
        yield rest
