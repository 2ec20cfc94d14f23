"""Writing log lines without ever making the event loop wait for whoever reads them."""

from __future__ import annotations

import sys
import threading
from collections import deque
from typing import BinaryIO

MAX_LINES = 50_000
"""Lines kept while the reader is stuck; beyond that the oldest are dropped and counted."""

BATCH_SECONDS = 0.02
"""Lines are gathered for this long and written at once: one system call, one thread switch."""


class LogWriter:
    """A bounded queue of lines and a thread that empties it into a stream."""

    def __init__(self, stream: BinaryIO | None = None) -> None:
        self._stream = stream or sys.stderr.buffer
        self._lines: deque[bytes] = deque(maxlen=MAX_LINES)
        self._dropped = 0
        self._wanted = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

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
        self._thread.join(timeout)

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
            self._stream.write(b"\n".join(lines) + b"\n")
            self._stream.flush()
        except (OSError, ValueError):
            return  # the reader is gone, and there is nowhere left to say so
