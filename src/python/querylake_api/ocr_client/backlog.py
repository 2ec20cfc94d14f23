"""What has come of an upload and was not taken yet: a little in memory, the rest in a file."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import deque
from types import TracebackType
from typing import BinaryIO

_PIECE = 256 * 1024


class Backlog:
    """A queue of bytes for one writer and one reader, who wait for nothing but each other's bytes.

    Args:
        memory: bytes that are held in memory at most.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._file: BinaryIO | None = None
        self._written = self._read = 0
        self._changed = asyncio.Event()
        self._ended = False
        self._failure: Exception | None = None

    def __enter__(self) -> Backlog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    async def put(self, piece: bytes) -> None:
        """Add bytes.

        Raises:
            OSError: the disk takes no more.
        """
        # What is in memory comes before what is in the file, so nothing may follow it there.
        if self._written == self._read and self._held + len(piece) <= self._memory:
            self._pieces.append(piece)
            self._held += len(piece)
        else:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)
            await asyncio.to_thread(_write, self._file.fileno(), piece, self._written)
            self._written += len(piece)
        self._changed.set()

    def end(self, failure: Exception | None = None) -> None:
        """Add nothing more.

        Args:
            failure: what the reader is told once it has come to the end.
        """
        self._ended = True
        self._failure = failure
        self._changed.set()

    async def take(self) -> bytes:
        """Return what comes next; nothing at the end.

        Raises:
            Exception: what the end was told.
        """
        while not self._pieces and self._read == self._written:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        if self._pieces:
            piece = self._pieces.popleft()
            self._held -= len(piece)
            return piece
        assert self._file is not None
        size = min(_PIECE, self._written - self._read)
        piece = await asyncio.to_thread(os.pread, self._file.fileno(), size, self._read)
        self._read += len(piece)
        return piece


def _write(file: int, piece: bytes, place: int) -> None:
    done = 0
    while done < len(piece):
        done += os.pwrite(file, memoryview(piece)[done:], place + done)
