"""What every kind of document has: pages, each with an image and perhaps with text."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from ocr.engines.engine import Pixels
from ocr.formats.content import StructuredPage
from ocr.page_warning import PageWarning
from ocr.text_layer.layer import TextLayer


@dataclass(frozen=True, slots=True)
class PageImage:
    """A page as pixels.

    Attributes:
        dpi: pixels per inch, so that places can be told in points.
        reduced_by: how many times smaller than the file's own its sides are.
        warnings: what is to be known of it.
    """

    pixels: Pixels
    dpi: float
    reduced_by: float = 1.0
    warnings: tuple[PageWarning, ...] = ()


class SourcePage(Protocol):
    """One page of an open document, read only before the next one is asked for."""

    number: int
    """The first page is 1."""

    def text_layer(self) -> TextLayer | None:
        """Return the text that the page brings along; None if its format has no such thing."""
        ...

    def image(self) -> PageImage:
        """Return how the page looks.

        Raises:
            PageBroken: it cannot be decoded.
            PageTooLarge: it would have more pixels than the limit.
        """
        ...


class Document(Protocol):
    """An open document. Nothing of it is usable outside of its `with` block."""

    format: str
    page_count: int

    def page(self, number: int) -> SourcePage | StructuredPage:
        """Return one page: one that is seen, or one that brings its own text.

        Raises:
            PageBroken: its data cannot be read.
            PageTooLarge: it has more pixels than the limit.
        """
        ...

    def __enter__(self) -> Document: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
