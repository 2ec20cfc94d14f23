"""Text with its place on the page, as it comes from a text layer or from an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ocr.geometry import Box, around

Source = Literal["ocr", "text_layer", "document"]
"""Where text is from: recognised, the text layer of a PDF, or the file itself, such as DOCX."""
Means = Literal["ocr", "text_layer", "invisible_layer", "form_field", "annotation", "document"]
"""By which means a text was read. Those between `ocr` and `document` are of the source
`text_layer`: the document says it. An invisible layer is another OCR program's; form fields and
annotations lie over the page."""


@dataclass(frozen=True, slots=True)
class Word:
    """Characters without a space between them.

    Attributes:
        size: of the type, in points. Exact in a text layer, measured in a scan.
        bold: whether its font says so; a scan never does.
        confidence: 0 to 1; None where nothing was recognised, but read from a text layer.
        fixed: whether all letters of its font are equally wide, as in listings.
        link: the address that it leads to; empty if there is none.
    """

    text: str
    box: Box
    size: float
    bold: bool = False
    confidence: float | None = None
    fixed: bool = False
    link: str = ""


@dataclass(frozen=True, slots=True)
class Fragment:
    """Words of one line with no more than a space between them: a line, or its part in a column."""

    words: tuple[Word, ...]
    box: Box
    source: Source
    means: Means = "text_layer"

    @property
    def text(self) -> str:
        """Its words, as one string."""
        return " ".join(word.text for word in self.words)

    @property
    def size(self) -> float:
        """The size of most of its characters, in points."""
        longest = max(self.words, key=lambda word: len(word.text))
        return longest.size

    @property
    def bold(self) -> bool:
        """Whether all of it is bold."""
        return all(word.bold for word in self.words)


def fragment(words: Sequence[Word], source: Source, means: Means | None = None) -> Fragment:
    """Join words that stand beside each other, in the order in which they are read.

    Args:
        means: None for those that are named like the source.
    """
    return Fragment(tuple(words), around(word.box for word in words), source, means or source)
