"""Events that differ from one before in nothing but the text they bring.

Nearly all of a stream is made of them, and what one of them says, and becomes, is known without
reading it: its text is not empty, and everything else is the same. Exact, not a guess: an event
that differs in one byte more, or whose text is not plain, is not familiar.
"""

# compiled: runs for each request.

from __future__ import annotations

import re
from typing import Final

from llm_provider.byte_search import holds
from llm_provider.repetition import TextTail

_TEXT: Final = rb"[ !#-\[\]-~]++"
"""ASCII that stands for itself in a JSON string: without it, whether a string is one, and where it
ends, would have to be found out."""

_PLAIN: Final = re.compile(_TEXT)
_BRINGING: Final = re.compile(
    rb'"(?:content|reasoning_content|reasoning|text)"\s*+:\s*+"(?P<text>' + _TEXT + rb')"'
)
"""A key whose value is told from others by not being empty alone."""

_MOST_LESSONS: Final = 16
"""Of a stream whose events are all different, such as those of several choices in turn."""


class FamiliarEvents:
    """What is known of the last event that was looked at in full, for one stream.

    Args:
        tail: is given the text that familiar events bring.
    """

    __slots__ = (
        "_after",
        "_before",
        "_lessons_left",
        "_rewritten_after",
        "_rewritten_before",
        "_tail",
    )

    def __init__(self, tail: TextTail) -> None:
        self._tail = tail
        self._before: bytes | None = None
        self._after = b""
        self._rewritten_before = b""
        self._rewritten_after = b""
        self._lessons_left = _MOST_LESSONS

    def rewritten(self, block: bytes) -> bytes | None:
        """Return what an event that brings text becomes, or None if it is not familiar.

        Args:
            block: any bytes; they are one whole event if this does not return None.
        """
        before = self._before
        if before is None or not (block.startswith(before) and block.endswith(self._after)):
            return None
        start, end = len(before), len(block) - len(self._after)
        if _PLAIN.fullmatch(block, start, end) is None:
            return None
        text = block[start:end]
        self._tail.add(text)
        return self._rewritten_before + text + self._rewritten_after

    def learn(self, block: bytes, rewritten: bytes) -> None:
        """Take an event for familiar from now on.

        Args:
            block: one whole event that holds JSON and brings text.
            rewritten: what it became, of which the same is true.
        """
        if self._lessons_left == 0 or holds(block, b"\r"):
            return  # with a CR, an event may end in the middle of its last line end
        if self._before is not None and block.startswith(self._before):
            return  # its text is not plain, and the next one's will be
        # In JSON, these quotes are those of a key and of its value: inside a string, a backslash
        # stands before each.
        found = _BRINGING.search(block)
        becomes = found if rewritten is block else _BRINGING.search(rewritten)
        if found is None or becomes is None or found["text"] != becomes["text"]:
            return
        self._lessons_left -= 1
        start, end = found.span("text")
        self._before, self._after = block[:start], block[end:]
        start, end = becomes.span("text")
        self._rewritten_before, self._rewritten_after = rewritten[:start], rewritten[end:]
