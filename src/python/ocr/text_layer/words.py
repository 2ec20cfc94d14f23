"""From single characters, in the order in which a page prints them, to fragments of lines."""

from __future__ import annotations

import statistics
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from ocr.direction import direction_of, in_reading_order
from ocr.geometry import Box, around
from ocr.text import Fragment, Word, fragment
from ocr.text_layer.character import Character
from ocr.text_layer.placing import turned

_SAME_PLACE = 0.3
"""Of a letter's width: drawn again this near, it is the same one, made bold by hand."""
_WORD_GAP = 0.3
"""Of the type's size: what stands further apart is two words, even without a space."""
_FRAGMENT_GAP = 1.0
"""Of the type's size: what stands further apart is two columns, or two cells."""
_SMALLER = 0.8
"""Of the size of the letter before: a digit that is no larger, and stands higher, is a power or a
mark of a note."""
_RAISED = 0.12
_RAISED_GAP = 0.5
"""Of the type's size: how far from its word a power may stand, for want of room in its font."""
_SUPERSCRIPTS = str.maketrans("0123456789+-\u2212=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
_RAISABLE = frozenset(map(chr, _SUPERSCRIPTS))
_CLOSING = frozenset(",.;:!?)]}\u00bb\u201d\u2019")
_CLOSE_GAP = 0.15
"""Of the type's size: a sign this near ends the word before it."""
_SPACED_LETTERS = 4
"""Letters with space between them from which a word is set wide, as headings are."""
_SAME_COLUMN = 0.15
"""Of the type's size: letters whose centres are this near stand in one column."""
_MOSTLY_ALIGNED = 0.8
"""Share of the letters of a row that do, from which they are marks in columns and no word."""
_WIDER = 1.6
"""Times the space between such letters that divides words."""
_FIRST_FROM_RIGHT = "\u0590"
_PRESENTATION_FORMS = ("\ufb1d", "\ufeff")
"""Between these, Unicode has letters of Hebrew and Arabic once more, by their shape."""
_LAM = "\u0644"
_ALEFS = "\u0627\u0622\u0623\u0625"


class _Placed(NamedTuple):
    """A character on the page as it is turned."""

    character: Character
    box: Box
    raised: bool = False

    @property
    def text(self) -> str:
        text = self.character.text
        return text.translate(_SUPERSCRIPTS) if self.raised else text


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
        joined = [_in_order(piece) for piece in _joined(list(_runs(_set_wide(words))))]
        back = (quarters - upright) % 4
        sides = (height, width) if upright % 2 else (width, height)
        found.extend(_turned(piece, back, *sides) for piece in joined)
    return tuple(found)


def _words(
    group: Sequence[Character], upright: int, width: float, height: float
) -> Iterator[tuple[Word, int]]:
    """Yield words, each with the text object that it is printed by."""
    word: list[_Placed] = []
    for character in group:
        box = turned(character.box, upright, width, height) if upright else character.box
        raised = False
        if word:
            last = word[-1]
            # Each letter of a page comes here: what nearly none is, is asked first.
            goes_on = box.left >= last.box.right and character.text.isascii()
            if not goes_on and _drawn_again(word, character, box):
                continue
            raised = character.text in _RAISABLE and _is_raised(last, character, box)
            if not raised and _begins_word(last, character, box):
                yield _word(word), word[0].character.origin
                word = []
        word.append(_Placed(character, box, raised))
    if word:
        yield _word(word), word[0].character.origin


def _drawn_again(word: Sequence[_Placed], character: Character, box: Box) -> bool:
    """Return whether a letter is one of those before, drawn again to make it bold.

    Two letters of one text object at one place are those of a ligature whose Unicode value is two
    letters, and both count.
    """
    for other in word[-3:]:
        if (
            other.character.text == character.text
            and other.character.origin != character.origin
            and abs(box.left - other.box.left) < _SAME_PLACE * box.width
            and abs(box.top - other.box.top) < _SAME_PLACE * box.width
        ):
            return True
    return False


def _begins_word(last: _Placed, character: Character, box: Box) -> bool:
    size = max(last.character.size, character.size)
    gap = box.left - last.box.right
    # The next letter of a script that runs from the right stands at the left.
    text, before = character.text, last.character.text
    if (text >= _FIRST_FROM_RIGHT or before >= _FIRST_FROM_RIGHT) and "right" in (
        direction_of(text[:1]),
        direction_of(before[:1]),
    ):
        gap = max(gap, last.box.left - box.right)
    if text in _CLOSING and _closes_index(last, character, gap):
        return False
    if character.after_space or box.shared_height(last.box) <= 0.4:
        return True
    return not -size < gap < _WORD_GAP * size


def _closes_index(last: _Placed, character: Character, gap: float) -> bool:
    """Return whether a sign ends a word whose last character is small, and raised or lowered.

    The two share little height, and the library that reads the layer takes that for a space.
    """
    return (
        last.character.size <= _SMALLER * character.size
        and abs(gap) < _CLOSE_GAP * character.size
        and (character.guessed_space or not character.after_space)
    )


def _is_raised(last: _Placed, character: Character, box: Box) -> bool:
    """Return whether a digit or sign is a power, or the mark of a note, at the word before it."""
    if character.after_space and not character.guessed_space:
        return False
    before = last.character
    gap = box.left - last.box.right
    if not -0.2 * before.size < gap < _RAISED_GAP * before.size:
        return False
    if last.raised:
        return abs(box.bottom - last.box.bottom) < _RAISED * before.size
    return (
        character.size <= _SMALLER * before.size
        and before.text.isalnum()
        and last.box.bottom - box.bottom > _RAISED * before.size
    )


def _word(placed: Sequence[_Placed]) -> Word:
    characters = [piece.character for piece in placed]
    text = "".join(piece.text for piece in placed)
    if not text.isascii() and any(direction_of(letter) == "right" for letter in text):
        text = _from_right(placed)
    return Word(
        text=text,
        box=around(piece.box for piece in placed),
        size=max(character.size for character in characters),
        bold=all(character.bold for character in characters),
        fixed=characters[0].fixed,
    )


def _from_right(placed: Sequence[_Placed]) -> str:
    """Return the letters of a word that runs from the right, in the order in which it is read.

    The page's own order is no guide: some programs print such words from the left.
    """
    bases = [piece for piece in placed if not unicodedata.combining(piece.text[:1])] or list(placed)
    texts = {id(base): base.text for base in bases}
    for piece in placed:
        if id(piece) not in texts:
            nearest = min(bases, key=lambda base: abs(base.box.centre - piece.box.centre))
            texts[id(nearest)] += piece.text
    bases.sort(key=lambda base: base.box.centre)
    for index, (left, right) in enumerate(pairwise(bases)):
        # Lam and alef are one glyph, which has both letters at one place.
        together = abs(left.box.centre - right.box.centre) < 0.01 * left.character.size
        if together and left.text == _LAM and right.text in _ALEFS:
            bases[index], bases[index + 1] = right, left
    ordered = in_reading_order([texts[id(base)] for base in bases], str, from_right=True)
    text = "".join(ordered)
    first, last = _PRESENTATION_FORMS
    if any(first <= letter <= last for letter in text):
        text = unicodedata.normalize("NFKC", text).replace(" ", "")
    return text


def _set_wide(words: Sequence[tuple[Word, int]]) -> list[Word]:
    """Return words, those that were set with space between their letters whole again."""
    found: list[Word] = []
    rows = [[word for word, _ in row] for row in _rows_of_letters(words)]
    spaced = [row for row in rows if _are_set_wide(row, _gaps(row))]
    columns = {
        id(row)
        for index, row in enumerate(spaced)
        if _in_columns(row, [*spaced[max(0, index - 1) : index], *spaced[index + 1 : index + 2]])
    }
    wide = {id(row) for row in spaced} - columns
    for row in rows:
        found.extend(_whole_words(row, _gaps(row)) if id(row) in wide else row)
    return found


def _gaps(letters: Sequence[Word]) -> list[float]:
    return [after.box.left - before.box.right for before, after in pairwise(letters)]


def _in_columns(letters: Sequence[Word], rows: Sequence[Sequence[Word]]) -> bool:
    """Return whether letters stand above or below those of other rows, as in a table of marks.

    Letters of words that are set wide differ in width, and so come to stand anywhere.
    """
    tolerance = _SAME_COLUMN * letters[0].size
    centres = sorted(
        other.box.centre
        for row in rows
        for other in row
        if row[0].box.shared_height(letters[0].box) == 0.0
    )
    aligned = 0
    for letter in letters:
        index = bisect_left(centres, letter.box.centre - tolerance)
        aligned += index < len(centres) and centres[index] <= letter.box.centre + tolerance
    return aligned >= _MOSTLY_ALIGNED * len(letters)


def _rows_of_letters(
    words: Sequence[tuple[Word, int]],
) -> Iterator[list[tuple[Word, int]]]:
    """Yield words of one letter that follow each other on a line, and of all others each by itself.

    A program may print each letter by a text object of its own.
    """
    row: list[tuple[Word, int]] = []
    for word, origin in words:
        if row and not _is_next_letter(row[-1], (word, origin)):
            yield row
            row = []
        row.append((word, origin))
    if row:
        yield row


def _is_next_letter(last: tuple[Word, int], next: tuple[Word, int]) -> bool:
    (before, before_origin), (word, origin) = last, next
    if not len(before.text) == len(word.text) == 1:
        return False
    gap = word.box.left - before.box.right
    level = word.box.shared_height(before.box) > 0.5
    # Between words of one text object, spaces are as wide as those between letters make them.
    together = origin == before_origin and level and 0 < gap < 2 * _FRAGMENT_GAP * word.size
    return together or _follows(before, word)


def _are_set_wide(letters: Sequence[Word], gaps: Sequence[float]) -> bool:
    """Return whether letters are those of words; columns of a table have wider spaces."""
    if len(letters) < _SPACED_LETTERS or min(gaps) <= 0:
        return False
    alphabetic = sum(letter.text.isalpha() for letter in letters)
    return 2 * alphabetic > len(letters) and statistics.median(gaps) < (
        _FRAGMENT_GAP * letters[0].size
    )


def _whole_words(letters: Sequence[Word], gaps: Sequence[float]) -> Iterator[Word]:
    usual = statistics.median(gaps)
    word = [letters[0]]
    for letter, gap in zip(letters[1:], gaps, strict=True):
        if gap > _WIDER * usual:
            yield _letters_as_word(word, usual)
            word = []
        word.append(letter)
    yield _letters_as_word(word, 0.0)


def _letters_as_word(letters: Sequence[Word], after: float) -> Word:
    """Return a word, with the space that follows its last letter as well as every other one."""
    text = "".join(letter.text for letter in letters)
    box = around(letter.box for letter in letters)
    return replace(letters[0], text=text, box=replace(box, right=box.right + after))


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
            if not _level(other, run):
                continue
            first, second = sorted((other, run), key=lambda piece: piece.box.left)
            if _follows(first.words[-1], second.words[0]):
                joined[index] = fragment((*first.words, *second.words), "text_layer")
                break
        else:
            joined.append(run)
    return joined


def _in_order(piece: Fragment) -> Fragment:
    """Return a fragment with its words in the order in which they are read."""
    if all(word.text.isascii() for word in piece.words):
        return piece
    words = sorted(piece.words, key=lambda word: word.box.left)
    if not any(direction_of(letter) == "right" for word in words for letter in word.text):
        return piece
    return fragment(in_reading_order(words, lambda word: word.text), piece.source)


def _level(first: Fragment, second: Fragment) -> bool:
    tolerance = 0.35 * max(first.size, second.size)
    return abs(first.box.bottom - second.box.bottom) < tolerance


def _again(other: Fragment, run: Fragment) -> bool:
    same = len(other.words) == len(run.words) and other.text == run.text
    return same and other.box.overlap(run.box) > 0.8 * run.box.area


def _turned(piece: Fragment, quarters: int, width: float, height: float) -> Fragment:
    if quarters == 0:
        return piece
    words = [replace(word, box=turned(word.box, quarters, width, height)) for word in piece.words]
    return fragment(words, piece.source)
