"""One printed character of a text layer."""

from __future__ import annotations

from typing import NamedTuple

from ocr.geometry import Box


class Character(NamedTuple):
    """One printed character, or the letters of one ligature.

    A tuple, as pages have thousands: a frozen dataclass takes three times as long to make.

    Attributes:
        quarters: the way it reads: 0 to the right, 1 downwards, 2 upside down, 3 upwards.
        slanted: whether it is turned by something else than quarters, as watermarks are.
        invisible: whether it is not shown, or lies under a picture.
        unmapped: whether it stands for nothing known.
        after_space: whether a space or the end of a line stands before it.
        guessed_space: whether that space is PDFium's guess, because of a gap or another base line.
        origin: the text object that it is printed by. Letters of one object at one place are those
            of a ligature; of two objects, they are the same letter, drawn again to make it bold.
        fixed: whether all letters of its font are equally wide.
    """

    text: str
    box: Box
    size: float
    bold: bool
    quarters: int
    invisible: bool
    unmapped: bool
    after_space: bool
    guessed_space: bool = False
    slanted: bool = False
    origin: int = 0
    fixed: bool = False
