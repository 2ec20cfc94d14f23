"""Chinese and Japanese text that is set from the top to the bottom, column by column."""

from __future__ import annotations

from collections.abc import Sequence

from ocr.text_layer.character import Character

_FIRST_WIDE = "\u2e80"
"""Scripts that are set in columns begin here in Unicode."""
_ASIDE = 0.35
"""Of the type's size: how far two letters of a column may stand apart sideways."""
_STEPS = (0.4, 2.0)
"""Of the type's size: from one letter of a column to the next."""
_SHORTEST = 3
"""Letters from which a column is one: two below each other are in every grid of a table."""


def with_columns_turned(characters: Sequence[Character]) -> list[Character]:
    """Return characters, those of vertical columns as text that reads downwards.

    For the rest of the program they are then what turned text is: columns become lines once the
    page is turned, the rightmost first.
    """
    found = list(characters)
    if not any(character.text >= _FIRST_WIDE for character in found):
        return found
    start = 0
    for end in range(1, len(found) + 1):
        if end < len(found) and _goes_on(found[end - 1], found[end]):
            continue
        column = found[start:end]
        wide = sum(character.text >= _FIRST_WIDE for character in column)
        if len(column) >= _SHORTEST and 2 * wide > len(column):
            for index in range(start, end):
                turned = (found[index].quarters + 1) % 4
                found[index] = found[index]._replace(quarters=turned, after_space=False)
        start = end
    return found


def _goes_on(before: Character, character: Character) -> bool:
    """Return whether a letter stands below another one, as the next in its column."""
    if before.quarters or character.quarters:
        return False  # what is turned already is no column
    size = max(before.size, character.size)
    down = character.box.middle - before.box.middle
    return (
        abs(character.box.centre - before.box.centre) < _ASIDE * size
        and _STEPS[0] * size < down < _STEPS[1] * size
    )
