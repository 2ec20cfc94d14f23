"""Writing log lines without ever making the event loop wait for whoever reads them."""

# compiled: runs for each request.

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import BinaryIO, Final, Protocol

import orjson

MAX_LINES = 50_000
"""Lines kept while the reader is stuck; beyond that the oldest are dropped and counted."""

BATCH_SECONDS = 0.02
"""Lines are gathered for this long and written at once: one system call, one thread switch."""

IDLE_LOOKS = 50
"""The thread looks so often in vain before it has to be woken."""

MAX_LATER: Final = 1000
"""Lines that wait for being made, at most."""

Later = Callable[[], bytes]
"""Makes a line, without its line feed."""


class LineSink(Protocol):
    """Takes the lines of a log."""

    def write(self, line: bytes) -> None:
        """Take one line, without its line feed."""
        ...


class DirectWriter:
    """Writes each line at once, without a thread, for a process that says little and forks.

    A line that the reader has no room for is dropped: whoever waits for it does nothing else.
    """

    def write(self, line: bytes) -> None:
        """Write one line to standard error."""
        try:
            if select.select((), (2,), (), 0)[1]:
                os.write(2, line + b"\n")
        except OSError:
            return  # the reader is gone, and there is nowhere left to say so


class LogWriter:
    """A bounded queue of lines and a thread that empties it into a stream.

    While there is something to write, the thread looks by itself every `BATCH_SECONDS`. To wake it
    for a line costs more than the line, and would be paid between one request and the next.
    """

    def __init__(self, stream: BinaryIO | None = None) -> None:
        self._stream = stream or sys.stderr.buffer
        self._lines: deque[bytes | Later] = deque(maxlen=MAX_LINES)
        self._dropped = 0
        self._looking = False
        self._closing = False
        self._wanted: SimpleQueue[None] = SimpleQueue()
        self._writer = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._writer.start()

    def write(self, line: bytes) -> None:
        """Queue one line, without its line feed. Never blocks."""
        self._queue(line)

    def write_later(self, line: Later) -> None:
        """Queue what will make a line, of something that does not change any more.

        It is called by the thread, or here if the reader does not keep up: lines take less room.
        """
        self._queue(line if len(self._lines) < MAX_LATER else line())

    def close(self, timeout: float = 2.0) -> None:
        """Write what is queued, waiting at most `timeout` seconds for a stuck reader."""
        self._closing = True
        self._wanted.put(None)
        self._writer.join(timeout)

    def _queue(self, line: bytes | Later) -> None:
        if len(self._lines) == MAX_LINES:
            self._dropped += 1
        self._lines.append(line)
        if not self._looking:
            self._looking = True
            self._wanted.put(None)

    def _run(self) -> None:
        while not self._closing:
            self._wanted.get()
            idle = 0
            while idle < IDLE_LOOKS and not self._closing:
                time.sleep(BATCH_SECONDS)
                idle = 0 if self._flush() else idle + 1
            self._looking = False
            # Of a line that came just now, nobody may have told.
            self._flush()
        self._flush()

    def _flush(self) -> bool:
        """Write what is queued, and return whether there was anything."""
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.append(b'{"level":"warning","event":"log lines dropped","count":%d}' % dropped)
        if not lines:
            return False
        try:
            for piece in _pieces([_made(line) for line in lines]):
                self._stream.write(piece)
                self._stream.flush()
        except (OSError, ValueError):
            pass  # the reader is gone, and there is nowhere left to say so
        return True


def _made(line: bytes | Later) -> bytes:
    if isinstance(line, bytes):
        return line
    try:
        return line()
    except Exception as error:  # noqa: BLE001 - the lines after it are to be written
        fault = ascii(error)
        return orjson.dumps(
            {"level": "error", "event": "a log line could not be made", "fault": fault}
        )


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole lines in pieces that a pipe takes in one go, unless a line alone is longer.

    Several processes may write to the same pipe, and a longer piece could be torn by another's.
    """
    piece = b""
    for line in lines:
        if piece and len(piece) + len(line) >= select.PIPE_BUF:
            yield piece
            piece = b""
        piece += line + b"\n"
    if piece:
        yield piece
