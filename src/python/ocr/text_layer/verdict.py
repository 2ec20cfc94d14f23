"""Whether a page's own text can be trusted, must be completed, or must be read anew."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ocr.geometry import Box
from ocr.text import Fragment
from ocr.text_layer.layer import TextLayer

Trust = Literal["text_layer", "mixed", "doubtful", "ocr"]

_UNMAPPED = 0.03
"""Share of characters without meaning from which a layer is garbage."""
_HARDLY_ANY = 8
"""Characters up to which a layer is a page number or a stamp."""
_PICTURE = 0.02
"""Share of the page from which a picture may hold text worth reading."""
_PICTURE_SIDES = (48.0, 10.0)
"""Points: a picture smaller than this is a logo or an icon."""
_COVERED = 0.15
"""Share of a picture that visible text covers, from which it is a background."""
_SCAN = 0.7
"""Share of the page from which a picture is a scan of all of it."""
_LETTERS_TO_JUDGE = 60
_IMPLAUSIBLE = -3.12
"""Mean log-likelihood of a letter. Texts in nine European languages have -2.75 to -2.98; letters
shifted or exchanged by a broken font have less than -3.2."""

_FREQUENCIES = {
    # Percent, the mean of English, German, French, Spanish, Portuguese, Italian, Dutch, Swedish.
    "e": 14.0, "a": 9.0, "i": 7.4, "n": 7.8, "r": 6.7, "s": 6.7, "t": 6.7, "o": 6.3, "l": 4.6,
    "d": 4.5, "u": 4.2, "c": 3.0, "m": 2.8, "g": 2.0, "h": 2.6, "p": 2.2, "v": 1.5, "b": 1.4,
    "f": 1.3, "k": 1.1, "w": 0.9, "z": 0.7, "q": 0.5, "y": 0.6, "j": 0.4, "x": 0.2,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a page.

    Attributes:
        trust: `text_layer` uses it as it is; `mixed` reads some pictures besides; `doubtful` uses
            it if a sample of the page, read by the engine, says the same; `ocr` does without it.
        reason: why, in one clause.
        pictures: what is to be read besides.
    """

    trust: Trust
    reason: str
    pictures: tuple[Box, ...] = ()


def judged(layer: TextLayer) -> Verdict:
    """Judge a text layer by itself, without looking at the page."""
    page = Box(0, 0, layer.width, layer.height)
    if layer.invisible > layer.characters:
        return Verdict("ocr", "its text is invisible, laid over or under a scan by another program")
    scan = any(picture.area > _SCAN * page.area for picture in layer.pictures)
    if layer.characters <= _HARDLY_ANY and (scan or layer.pictures or layer.paths):
        return Verdict("ocr", "it has no text of its own")
    if layer.unmapped > _UNMAPPED * max(layer.characters, 1):
        return Verdict(
            "ocr", f"{layer.unmapped} of its {layer.characters} characters stand for nothing"
        )
    unread = tuple(_unread_pictures(layer, page))
    if sum(picture.area for picture in unread) > _SCAN * page.area:
        return Verdict("ocr", "a scan covers it, and its own text does not cover the scan")
    if _is_implausible(layer.fragments):
        return Verdict("doubtful", "its letters are not those of a language", unread)
    if unread:
        return Verdict("mixed", "it has text, and pictures without", unread)
    return Verdict("text_layer", "its text is whole")


def _unread_pictures(layer: TextLayer, page: Box) -> list[Box]:
    """Return the pictures that may hold text and are not covered by the layer's."""
    long, short = _PICTURE_SIDES
    unread = []
    for picture in layer.pictures:
        sides = sorted((picture.width, picture.height))
        if picture.area < _PICTURE * page.area and (sides[1] < long or sides[0] < short):
            continue
        if sides[0] < short:
            continue
        covered = sum(piece.box.overlap(picture) for piece in layer.fragments)
        if covered < _COVERED * picture.area:
            unread.append(picture)
    return [*unread, *layer.over.pictures]


def _is_implausible(fragments: Sequence[Fragment]) -> bool:
    """Return whether Latin letters are as frequent as in no language: a font that lies about them.

    Other scripts are not judged: their letters are not exchanged by fonts for Latin text.
    """
    letters: Counter[str] = Counter()
    for piece in fragments:
        for character in piece.text:
            if character.isalpha():
                plain = unicodedata.normalize("NFD", character)[0].lower()
                letters[plain] += 1
    latin = sum(letters[letter] for letter in _FREQUENCIES)
    if latin < _LETTERS_TO_JUDGE or latin < 0.5 * letters.total():
        return False
    likelihood = sum(
        letters[letter] * math.log(share / 100) for letter, share in _FREQUENCIES.items()
    )
    return likelihood / latin < _IMPLAUSIBLE
