"""What was read of a page by which means, and what was seen and not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ocr.conversion.result import PageResult, PageWarning
from ocr.geometry import Box
from ocr.layout.lines import confidence_of
from ocr.text import Fragment, Means

_OTHER_SCRIPT = 0.5
"""Share of what the engine saw as text, and could not read, from which the script is the reason."""


def accounted(
    result: PageResult, fragments: Sequence[Fragment], unread: Sequence[Box] = ()
) -> PageResult:
    """Return a result that says what it is made of, and what it lacks.

    Args:
        fragments: what the page's blocks are made of.
        unread: where text was seen and could not be read, in points.
    """
    read_by: Counter[Means] = Counter()
    for piece in fragments:
        read_by[piece.means] += sum(len(word.text) for word in piece.words)
    share = unread_share([piece for piece in fragments if piece.source == "ocr"], unread)
    return replace(
        result,
        read_by=tuple(read_by.items()),
        confidence=confidence_of(word for piece in fragments for word in piece.words),
        unread_areas=tuple(unread),
        unread_share=share,
        warnings=(*result.warnings, *_unread(unread, share)),
    )


def unread_share(fragments: Sequence[Fragment], unread: Sequence[Box]) -> float:
    """Return how much of what an engine saw as text it could not read, by area: 0 to 1."""
    lacking = sum(area.area for area in unread)
    seen = lacking + sum(piece.box.area for piece in fragments)
    return lacking / seen if seen else 0.0


def _unread(unread: Sequence[Box], share: float) -> list[PageWarning]:
    if not unread:
        return []
    lines = f"{len(unread)} line{'s' if len(unread) > 1 else ''}"
    if share >= _OTHER_SCRIPT:
        message = (
            f"{lines} of it, {share:.0%} of what looks like text, could not be read: the engine "
            "does not know the script, or it is handwriting; use a vision model for such pages"
        )
        return [PageWarning("script_unknown", message, incomplete=True)]
    message = f"{lines} of it, {share:.1%} of what looks like text, could not be read"
    return [PageWarning("unread_areas", message, incomplete=True)]
