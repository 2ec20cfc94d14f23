"""Puts values of form fields beside their labels, lest they pass for a column of their own."""

from __future__ import annotations

from collections.abc import Sequence

from ocr.text import Fragment, fragment

_VALUE_GAP = 20.0
"""Sizes of the type that may lie between a label and its value."""
_BOX_GAP = 3.0
"""The same between a box that is checked and the label at its right."""
_CHOICE_GAP = 5.0
"""The same between two boxes with their labels that are choices of one question."""
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
        others.remove(label)
        pieces = [label, field]
        if field.text in _BOXES and label.box.left > field.box.left:
            choice = _at_left(field, others, _CHOICE_GAP)
            if choice is not None:
                others.remove(choice)
                pieces.append(choice)
        words = sorted((w for p in pieces for w in p.words), key=lambda word: word.box.left)
        others.append(fragment(words, label.source, label.means))
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
    return _at_left(field, others, _VALUE_GAP)


def _at_left(field: Fragment, others: Sequence[Fragment], most: float) -> Fragment | None:
    """Return what is next to a field at its left, up to so many sizes of the type."""
    before = [
        piece
        for piece in others
        if piece.box.shared_height(field.box) > 0.5
        and -0.5 * field.size < field.box.left - piece.box.right < most * field.size
    ]
    return max(before, key=lambda piece: piece.box.right, default=None)
