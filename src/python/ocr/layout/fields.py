"""Puts values of form fields beside their labels, lest they pass for a column of their own."""

from __future__ import annotations

from collections.abc import Sequence

from ocr.text import Fragment, fragment

_VALUE_GAP = 20.0
"""Sizes of the type that may lie between a label and its value."""
_BOX_GAP = 3.0
"""The same between a box that is checked and the label at its right."""
_BOXES = ("[x]", "[ ]")


def with_fields(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Return fragments, with those of form fields joined to the labels on their lines."""
    fields = [piece for piece in fragments if piece.means == "form_field"]
    if not fields:
        return list(fragments)
    others = [piece for piece in fragments if piece.means != "form_field"]
    for field in sorted(fields, key=lambda field: field.box.left):
        label = _label(field, others)
        if label is None:
            others.append(field)
            continue
        words = sorted((*label.words, *field.words), key=lambda word: word.box.left)
        others[others.index(label)] = fragment(words, label.source, label.means)
    return others


def _label(field: Fragment, others: Sequence[Fragment]) -> Fragment | None:
    """Return what a field belongs to: the text at its left, or at the right of a check box."""
    level = [piece for piece in others if piece.box.shared_height(field.box) > 0.5]
    size = field.size
    after = [
        piece for piece in level if -0.5 * size < piece.box.left - field.box.right < _BOX_GAP * size
    ]
    if field.text in _BOXES and after:
        return min(after, key=lambda piece: piece.box.left)
    before = [
        piece
        for piece in level
        if -0.5 * size < field.box.left - piece.box.right < _VALUE_GAP * size
    ]
    return max(before, key=lambda piece: piece.box.right, default=None)
