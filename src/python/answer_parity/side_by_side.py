"""Two texts beside each other, with what differs marked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 400
"""Characters of each text that are shown, from a little before the first difference."""

_LEAD = 40
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of characters.

    Attributes:
        differs: whether the other text has another one in its place.
    """

    text: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Example:
    """What both engines made of one request.

    Attributes:
        name: of the request, in a word.
    """

    name: str
    old: str
    new: str

    def segments(self) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
        """Return both texts as segments, word by word, cut to what can be shown."""
        old, new = _window(self.old, self.new)
        left, right = _WORDS.findall(old), _WORDS.findall(new)
        sides: tuple[list[Segment], list[Segment]] = ([], [])
        matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
        for how, from_old, to_old, from_new, to_new in matcher.get_opcodes():
            for side, words in zip(
                sides, (left[from_old:to_old], right[from_new:to_new]), strict=True
            ):
                if words:
                    side.append(Segment("".join(words), how != "equal"))
        return tuple(sides[0]), tuple(sides[1])


def marked(segments: Sequence[Segment]) -> str:
    """Return segments as plain text, with what differs in ⟦brackets⟧."""
    return "".join(f"⟦{each.text}⟧" if each.differs else each.text for each in segments)


def _window(old: str, new: str) -> tuple[str, str]:
    """Cut both texts to the part around their first difference."""
    at = next(
        (index for index, (left, right) in enumerate(zip(old, new, strict=False)) if left != right),
        min(len(old), len(new)),
    )
    begin = max(0, at - _LEAD) if max(len(old), len(new)) > SHOWN else 0
    return _cut(old, begin), _cut(new, begin)


def _cut(text: str, begin: int) -> str:
    part = text[begin : begin + SHOWN]
    return ("…" if begin else "") + part + ("…" if begin + SHOWN < len(text) else "")
