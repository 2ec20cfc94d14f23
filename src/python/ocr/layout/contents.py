"""Lines of a table of contents: a title, dots that lead the eye, and a page number."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ocr.text import Fragment, fragment

_LEADER = re.compile(r"(?:[.\u00b7\u2026_]\s?){6,}\s*(?:\d{1,4}|[ivxlcIVXLC]{1,7})?\s*$")
"""Six dots or more at the end of a line: an ellipsis has three, with a full stop four."""
_SECTION = re.compile(r"(?:[A-Za-z]+ )?(?:\d{1,3}|[A-Z]|[IVXLC]{1,6})(?:\.\d{1,3})*\.?")
"""`3`, `2.1`, `A.1`, `IV.`, `Appendix A`."""
_PAGE = re.compile(r"\d{1,4}|[ivxlcIVXLC]{1,7}")
_NUMBER_GAP = 6.0
"""Sizes of the type that may lie between a title and the number before or after it."""


def leads_on(text: str) -> bool:
    """Return whether dots lead from a text to the end of its line."""
    return bool(_LEADER.search(text))


def contents_joined(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Return fragments, with the two numbers of each line of a table of contents joined to it.

    Those of sections and of pages stand in columns of their own there, and would be read as such,
    far from their titles.
    """
    found = list(fragments)
    for entry in [piece for piece in fragments if leads_on(piece.text)]:
        level = [
            piece
            for piece in found
            if piece is not entry and piece.box.shared_height(entry.box) > 0.5
        ]
        section = _nearest(entry, [p for p in level if p.box.right <= entry.box.left], _SECTION)
        page = _nearest(entry, [p for p in level if p.box.left >= entry.box.right], _PAGE)
        parts = [piece for piece in (section, entry, page) if piece is not None]
        words = [word for piece in parts for word in piece.words]
        found = [piece for piece in found if not any(piece is part for part in parts)]
        found.append(fragment(words, entry.source, entry.means))
    return found


def _nearest(entry: Fragment, level: Sequence[Fragment], shape: re.Pattern[str]) -> Fragment | None:
    """Return what is nearest to an entry on its line, if it is a number of that shape."""
    nearest = min(level, key=lambda piece: _gap(entry, piece), default=None)
    if nearest is None or _gap(entry, nearest) > _NUMBER_GAP * entry.size:
        return None
    return nearest if shape.fullmatch(nearest.text) else None


def _gap(entry: Fragment, piece: Fragment) -> float:
    return max(entry.box.left - piece.box.right, piece.box.left - entry.box.right)
