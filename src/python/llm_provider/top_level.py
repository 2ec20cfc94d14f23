"""Where the values of top-level keys lie in a large JSON object, found a little at a time.

A document of megabytes takes longer to walk than an event loop may stand still. So the walk can be
left at any byte and goes on from there: each step takes a bounded number of bytes and of marks.
"""

# compiled: runs for each request.

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import orjson

STEP_BYTES: Final = 256 * 1024
"""Bytes of a step at most: a millisecond or two at the speed of `re`."""

STEP_MARKS: Final = 5_000
"""Marks of a step at most; each of them is a turn of Python's loop."""

_MARK: Final = re.compile(rb'[{}\[\]":,]')
_INNER_MARK: Final = re.compile(rb'[{}\[\]"]')
"""Below the top level, colons and commas mean nothing here: a vector of numbers is one look."""

# The rest of a string, up to its quote or to the end of what is looked at. A backslash that is the
# last byte there stays for the next look. Possessive, so that hostile input costs linear time.
_STRING_REST: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)

_QUOTE: Final = ord('"')
_COLON: Final = ord(":")
_COMMA: Final = ord(",")
_OPENING: Final = b"{["
_WHITESPACE: Final = b" \t\r\n"
_LONGEST_KEY: Final = 6
"""Bytes that a letter of a key takes at most, escaped as `\\u006d`."""


class TopLevelScan:
    """Looks for the values of some top-level keys, however often each occurs.

    Args:
        document: a JSON object, well formed; anything else gives any places or none, and no error.
        keys: which ones.
        list_key: one of them, whose list's commas are wanted, too.

    Attributes:
        places: where each value lies, quotes and brackets included, by its key, in order.
        commas: where commas lie between the elements of `list_key`'s lists.
    """

    __slots__ = (
        "_at",
        "_begun",
        "_depth",
        "_document",
        "_in_string",
        "_key",
        "_key_next",
        "_list_key",
        "_longest",
        "_string_start",
        "commas",
        "places",
    )

    def __init__(self, document: bytes, keys: Iterable[str], list_key: str | None = None) -> None:
        self.places: dict[str, list[tuple[int, int]]] = {key: [] for key in keys}
        self.commas: list[int] = []
        self._list_key = list_key
        self._document = document
        self._longest = max(map(len, self.places)) * _LONGEST_KEY + 2
        self._at = 0
        self._depth = 0
        self._in_string = False
        self._string_start = 0
        self._key_next = False
        # The key whose value is being passed now, if it is one of those that are looked for.
        self._key: str | None = None
        self._begun = 0

    @property
    def balanced(self) -> bool:
        """Whether every string and bracket so far was closed again, and nothing else."""
        return self._depth == 0 and not self._in_string

    def step(self, most_bytes: int = STEP_BYTES, most_marks: int = STEP_MARKS) -> bool:
        """Go on a little. Return whether anything is left.

        Args:
            most_bytes: to look at, at least 2: an escape must fit in.
            most_marks: quotes, brackets, colons and commas outside strings to pass.
        """
        end = min(self._at + most_bytes, len(self._document))
        marks = 0
        while marks < most_marks and self._at < end:
            marks += 1
            if self._in_string:
                if not self._pass_string(end):
                    break
                continue
            outer = self._depth < 2 or (self._depth == 2 and self._in_list())
            mark = (_MARK if outer else _INNER_MARK).search(self._document, self._at, end)
            if mark is None:
                self._at = end
                break
            self._at = mark.end()
            self._pass_mark(mark.start())
        return self._at < len(self._document)

    def _in_list(self) -> bool:
        return self._list_key is not None and self._key == self._list_key

    def _pass_mark(self, at: int) -> None:
        byte = self._document[at]
        if byte == _QUOTE:
            self._in_string = True
            self._string_start = at
        elif byte in _OPENING:
            self._depth += 1
            self._key_next = self._depth == 1
        elif byte == _COLON:
            if self._depth == 1:
                self._begun = at + 1
        elif byte == _COMMA:
            if self._depth == 1:
                self._end_value(at)
                self._key_next = True
            elif self._depth == 2:
                self.commas.append(at)
        else:
            if self._depth == 1:
                self._end_value(at)
            self._depth -= 1

    def _end_value(self, end: int) -> None:
        if self._key is None:
            return
        value = self._document[self._begun : end]
        start = end - len(value.lstrip(_WHITESPACE))
        self.places[self._key].append((start, self._begun + len(value.rstrip(_WHITESPACE))))
        self._key = None

    def _pass_string(self, end: int) -> bool:
        """Go to the end of the string that was begun. Return whether it ended before `end`."""
        document = self._document
        quote = document.find(b'"', self._at, end)
        upto = end if quote < 0 else quote
        if document.find(b"\\", self._at, upto) >= 0:
            rest = _STRING_REST.match(document, self._at, end)
            upto = end if rest is None else rest.end()
            quote = upto if upto < end and document[upto] == _QUOTE else -1
        if quote < 0:
            # A backslash that is the document's last byte escapes nothing: it is no JSON.
            self._at = upto if upto < len(document) - 1 else len(document)
            return False
        self._at = quote + 1
        self._in_string = False
        if self._depth == 1 and self._key_next:
            self._key_next = False
            self._key = self._wanted(self._string_start, self._at)
        return True

    def _wanted(self, start: int, end: int) -> str | None:
        if end - start > self._longest:
            return None
        try:
            key: str = orjson.loads(self._document[start:end])
        except orjson.JSONDecodeError:
            return None
        return key if key in self.places else None
