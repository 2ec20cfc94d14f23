"""From single characters, in the order in which a page prints them, to fragments of lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ocr.geometry import Box, around
from ocr.text import Fragment, Word, fragment
from ocr.text_layer.placing import turned

_SAME_PLACE = 0.3
"""Of a letter's width: drawn again this near, it is the same one, made bold by hand."""
_WORD_GAP = 0.3
"""Of the type's size: what stands further apart is two words, even without a space."""
_FRAGMENT_GAP = 1.0
"""Of the type's size: what stands further apart is two columns, or two cells."""


@dataclass(frozen=True, slots=True)
class Character:
    """One printed character.

    Attributes:
        quarters: the way it reads: 0 to the right, 1 downwards, 2 upside down, 3 upwards.
        after_space: whether a space or the end of a line stands before it.
        unmapped: whether it stands for nothing known.
    """

    text: str
    box: Box
    size: float
    bold: bool
    quarters: int
    invisible: bool
    unmapped: bool
    after_space: bool


def fragments_of(
    characters: Iterable[Character], quarters: int, width: float, height: float
) -> tuple[Fragment, ...]:
    """Return the fragments of a page that is turned clockwise by quarters.

    Args:
        width: of the page before it is turned.
        height: likewise.
    """
    by_direction: dict[int, list[Character]] = {}
    for character in characters:
        by_direction.setdefault(character.quarters, []).append(character)
    found: list[Fragment] = []
    for direction, group in by_direction.items():
        upright = -direction % 4
        words = list(_words(group, upright, width, height))
        joined = _joined(list(_runs(words)))
        back = (quarters - upright) % 4
        sides = (height, width) if upright % 2 else (width, height)
        found.extend(_turned(piece, back, *sides) for piece in joined)
    return tuple(found)


def _words(group: Sequence[Character], upright: int, width: float, height: float) -> Iterator[Word]:
    word: list[tuple[Character, Box]] = []
    for character in group:
        box = turned(character.box, upright, width, height)
        if word:
            before, last = word[-1]
            size = max(before.size, character.size)
            if any(
                character.text == other.text
                and abs(box.left - place.left) < _SAME_PLACE * box.width
                and abs(box.top - place.top) < _SAME_PLACE * box.width
                for other, place in word[-3:]
            ):
                continue
            gap = box.left - last.right
            beside = box.shared_height(last) > 0.4
            if character.after_space or not beside or not -size < gap < _WORD_GAP * size:
                yield _word(word)
                word = []
        word.append((character, box))
    if word:
        yield _word(word)


def _word(characters: Sequence[tuple[Character, Box]]) -> Word:
    return Word(
        text="".join(character.text for character, _ in characters),
        box=around(box for _, box in characters),
        size=max(character.size for character, _ in characters),
        bold=all(character.bold for character, _ in characters),
    )


def _runs(words: Sequence[Word]) -> Iterator[Fragment]:
    """Yield words that follow one another on a line, in the order in which they are printed."""
    run: list[Word] = []
    for word in words:
        if run and not _follows(run[-1], word):
            yield fragment(run, "text_layer")
            run = []
        run.append(word)
    if run:
        yield fragment(run, "text_layer")


def _follows(before: Word, word: Word) -> bool:
    size = max(before.size, word.size)
    gap = word.box.left - before.box.right
    return word.box.shared_height(before.box) > 0.5 and -0.2 * size < gap < _FRAGMENT_GAP * size


def _joined(runs: Sequence[Fragment]) -> list[Fragment]:
    """Join runs of one line that the page prints at different times; drop what is printed twice."""
    rows = sorted(runs, key=lambda run: (run.box.left, run.box.top))
    joined: list[Fragment] = []
    for run in sorted(rows, key=lambda run: round(run.box.middle)):
        for index in range(len(joined) - 1, max(-1, len(joined) - 40), -1):
            other = joined[index]
            if _again(other, run):
                break
            first, second = sorted((other, run), key=lambda piece: piece.box.left)
            if _follows(first.words[-1], second.words[0]) and _level(first, second):
                joined[index] = fragment((*first.words, *second.words), "text_layer")
                break
        else:
            joined.append(run)
    return joined


def _level(first: Fragment, second: Fragment) -> bool:
    tolerance = 0.35 * max(first.size, second.size)
    return abs(first.box.bottom - second.box.bottom) < tolerance


def _again(other: Fragment, run: Fragment) -> bool:
    return other.text == run.text and other.box.overlap(run.box) > 0.8 * run.box.area


def _turned(piece: Fragment, quarters: int, width: float, height: float) -> Fragment:
    if quarters == 0:
        return piece
    words = [
        Word(
            word.text,
            turned(word.box, quarters, width, height),
            word.size,
            word.bold,
            word.confidence,
        )
        for word in piece.words
    ]
    return fragment(words, piece.source)
