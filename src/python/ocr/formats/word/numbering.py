"""The markers of numbered and bulleted paragraphs, which a file does not spell out."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from ocr.formats.xml import Element, attribute, child, children

_PLACE = re.compile(r"%([1-9])")
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
    (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_LARGEST = 3_999
_LEVELS = 9


@dataclass(frozen=True, slots=True)
class _Level:
    format: str
    text: str
    start: int


class Numbering:
    """Counts the items of every list as they come, in document order."""

    def __init__(self, root: Element | None) -> None:
        abstract = {
            attribute(found, "abstractNumId"): {
                attribute(level, "ilvl"): _level(level) for level in children(found, "lvl")
            }
            for found in children(root, "abstractNum")
        }
        self._lists = {
            attribute(found, "numId"): abstract.get(
                attribute(child(found, "abstractNumId"), "val"), {}
            )
            for found in children(root, "num")
        }
        self._counts: dict[str, list[int | None]] = defaultdict(lambda: [None] * _LEVELS)

    def marker(self, name: str, level: int) -> str | None:
        """Return the marker of the next item of a list; None if it is no list.

        Args:
            name: of the list; "0" takes a paragraph out of the list of its style.
            level: 0 for the outermost.
        """
        levels = self._lists.get(name)
        level = min(level, _LEVELS - 1)
        found = None if levels is None else levels.get(str(level))
        if levels is None or found is None:
            return None
        counts = self._counts[name]
        before = counts[level]
        counts[level] = found.start if before is None else before + 1
        counts[level + 1 :] = [None] * (_LEVELS - level - 1)
        if found.format == "none":
            return ""
        if found.format == "bullet":
            return "\u2022"

        def number(match: re.Match[str]) -> str:
            index = int(match[1]) - 1
            inner = levels.get(str(index))
            if inner is None:
                return ""
            count = counts[index]
            return _numeral(inner.start if count is None else count, inner.format)

        return _PLACE.sub(number, found.text)


def _level(level: Element) -> _Level:
    start = attribute(child(level, "start"), "val", "1")
    return _Level(
        format=attribute(child(level, "numFmt"), "val", "decimal"),
        text=attribute(child(level, "lvlText"), "val")[:50],
        start=int(start) if start.isdecimal() and len(start) < 7 else 1,
    )


def _numeral(count: int, format: str) -> str:
    match format:
        case "lowerLetter" | "upperLetter" if count >= 1:
            # After z comes aa, then bb.
            letter = chr(ord("a") + (count - 1) % 26) * min((count - 1) // 26 + 1, 10)
            return letter if format == "lowerLetter" else letter.upper()
        case "lowerRoman" | "upperRoman" if 1 <= count <= _LARGEST:
            numeral = ""
            for value, letters in _ROMAN:
                numeral += letters * (count // value)
                count %= value
            return numeral if format == "lowerRoman" else numeral.upper()
        case "decimalZero":
            return f"{count:02}"
    return str(count)
