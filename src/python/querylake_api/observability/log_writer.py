"""Writing log lines without ever making the event loop wait for whoever reads them."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Protocol

MAX_LINES = 50_000
"""Lines kept while the reader is stuck; beyond that the oldest are dropped and counted."""

BATCH_SECONDS = 0.02
"""Lines are gathered for this long and written at once: one system call, one thread switch."""


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
    """A bounded queue of lines and a thread that empties it into a stream."""

    def __init__(self, stream: BinaryIO | None = None) -> None:
        self._stream = stream or sys.stderr.buffer
        self._lines: deque[bytes] = deque(maxlen=MAX_LINES)
        self._dropped = 0
        self._wanted = threading.Event()
        self._closing = threading.Event()
        self._writer = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._writer.start()

    def write(self, line: bytes) -> None:
        """Queue one line, without its line feed. Never blocks."""
        if len(self._lines) == MAX_LINES:
            self._dropped += 1
        self._lines.append(line)
        if not self._wanted.is_set():
            self._wanted.set()

    def close(self, timeout: float = 2.0) -> None:
        """Write what is queued, waiting at most `timeout` seconds for a stuck reader."""
        self._closing.set()
        self._wanted.set()
        self._writer.join(timeout)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wanted.wait()
            self._closing.wait(BATCH_SECONDS)
            self._wanted.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.append(b'{"level":"warning","event":"log lines dropped","count":%d}' % dropped)
        if not lines:
            return
        try:
            for piece in _pieces(lines):
                self._stream.write(piece)
                self._stream.flush()
        except (OSError, ValueError):
            return  # the reader is gone, and there is nowhere left to say so


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
