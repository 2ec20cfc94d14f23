"""What the user sees: lines, and on a terminal one live line below them."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TextIO

_CLEAR = "\r\x1b[K"
_BOLD = "\x1b[1m"
_RESET = "\x1b[0m"
_TICK_SECONDS = 0.5


def lead_to_nowhere(stream: TextIO) -> None:
    """Discard what is written: what a stream still holds is flushed at exit, and must not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class Terminal:
    """Writes to a stream, with live lines and colour if a person looks at it.

    Attributes:
        live: whether there can be a live line.
        on_gone: called once when nobody reads any more; from then on nothing is written.
    """

    def __init__(self, stream: TextIO) -> None:
        self.on_gone: Callable[[str], None] = lambda reason: None
        self._stream = stream
        self.live = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._colour = self.live and not os.environ.get("NO_COLOR")
        self._status = ""
        self._gone = False

    def line(self, text: str = "") -> None:
        """Write a line above the live one."""
        self._write(f"{_CLEAR if self._status else ''}{text}\n{self._status}")

    def status(self, text: str) -> None:
        """Replace the live line; an empty text removes it. Does nothing if there can be none."""
        if self.live:
            text = "".join(each for each in text if each.isprintable())
            width = shutil.get_terminal_size().columns - 1
            self._status = text if len(text) <= width else text[: width - 1] + "…"
            self._write(_CLEAR + self._status)

    def bold(self, text: str) -> str:
        """Return a text that stands out."""
        return f"{_BOLD}{text}{_RESET}" if self._colour else text

    def _write(self, text: str) -> None:
        if self._gone:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            self._gone = True
            lead_to_nowhere(self._stream)
            self.on_gone(f"the output cannot be written: {error.strerror}")


class Activity:
    """Something that takes a while: a live line on a terminal, every note as a line elsewhere."""

    def __init__(self, terminal: Terminal, title: str) -> None:
        self._terminal = terminal
        self._title = title
        self._note = ""
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._began

    def note(self, text: str) -> None:
        """Say what is going on now."""
        self._note = " ".join(text.split())
        if self._terminal.live:
            self.refresh()
        else:
            self._terminal.line(f"  {text}")

    def refresh(self) -> None:
        """Write the live line again, with the seconds that have passed."""
        detail = f"  {self._note}" if self._note else ""
        self._terminal.status(f"{self._title} … {self.seconds:.0f} s{detail}")


@asynccontextmanager
async def activity(terminal: Terminal, title: str, done: str) -> AsyncIterator[Activity]:
    """Show that something goes on, and when it went well, that and how long it took."""
    current = Activity(terminal, title)
    if not terminal.live:
        terminal.line(f"{title} ...")

    async def tick() -> None:
        while True:
            current.refresh()
            await asyncio.sleep(_TICK_SECONDS)

    ticking = asyncio.create_task(tick())
    try:
        yield current
    finally:
        ticking.cancel()
        terminal.status("")
    terminal.line(f"{done} in {current.seconds:.1f} s.")
