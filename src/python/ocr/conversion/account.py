"""What was read of a page by which means, and what was seen and not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ocr.conversion.result import PageResult
from ocr.geometry import Box
from ocr.layout.lines import confidence_of
from ocr.page_warning import PageWarning
from ocr.text import Fragment, Means

_OTHER_SCRIPT = 0.5
"""Share of what the engine saw as text, and could not read, from which the script is the reason."""


_GREEK = frozenset(map(chr, range(0x0370, 0x0400)))
_GREEK_LETTERS = 12
_GREEK_SHARE = 0.3
_GREEK_WARNING = PageWarning(
    "script_unknown",
    "it has Greek text, of which the engine knows the letters of formulas only; use a vision model "
    "for such pages",
    incomplete=True,
)
_OTHER_CONFIDENCE = 0.7
_UNSURE = 0.8
"""Mean confidence below which much of a page is wrong; clean and noisy scans have 0.95 and more."""


def counted(result: PageResult, fragments: Sequence[Fragment]) -> PageResult:
    """Return a result that says what it is made of."""
    read_by: Counter[Means] = Counter()
    for piece in fragments:
        read_by[piece.means] += sum(len(word.text) for word in piece.words)
    return replace(
        result,
        read_by=tuple(read_by.items()),
        confidence=confidence_of(word for piece in fragments for word in piece.words),
    )


def accounted(result: PageResult, unread: Sequence[Box]) -> PageResult:
    """Return a result that says what it lacks.

    Args:
        unread: where text was seen and could not be read, in points.
    """
    if not unread and not _is_unsure(result) and not _is_greek(result):
        return result
    lacking = sum(area.area for area in unread)
    read = sum(block.box.area for block in result.blocks if block.source == "ocr" and block.box)
    share = lacking / max(lacking + read, 1e-6)
    return replace(
        result,
        unread_areas=tuple(unread),
        unread_share=share,
        warnings=(
            *result.warnings,
            (
                _GREEK_WARNING
                if _is_greek(result)
                else _warning(len(unread), share, result.confidence)
            ),
        ),
    )


def _is_greek(result: PageResult) -> bool:
    """Return whether much of what was recognised is Greek, and not a formula here and there."""
    letters = [
        letter
        for block in result.blocks
        if block.source == "ocr"
        for letter in block.text
        if letter.isalpha()
    ]
    greek = sum(letter in _GREEK for letter in letters)
    return greek >= _GREEK_LETTERS and greek >= _GREEK_SHARE * len(letters)


def _is_unsure(result: PageResult) -> bool:
    return result.confidence is not None and result.confidence < _UNSURE


def _warning(count: int, share: float, confidence: float | None) -> PageWarning:
    parts = f"{count} part{'s' if count != 1 else ''} of it, {share:.1%} of what looks like text,"
    read = "" if confidence is None else f"it was read with a confidence of {confidence:.2f} of 1"
    if share >= _OTHER_SCRIPT or (confidence is not None and confidence < _OTHER_CONFIDENCE):
        what = f"{parts} could not be read" if count else read
        message = (
            f"{what}: the engine does not know the script, or it is handwriting; use a vision "
            "model for such pages"
        )
        return PageWarning("script_unknown", message, incomplete=True)
    if confidence is not None and confidence < _UNSURE:
        return PageWarning("low_confidence", f"{read}; much of it may be wrong", incomplete=True)
    return PageWarning("unread_areas", f"{parts} could not be read", incomplete=True)
