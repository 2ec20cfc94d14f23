"""Converts a document page by page, so that a caller can keep, skip and resume pages."""

from __future__ import annotations

from collections.abc import Iterator

from ocr.conversion.page import convert_page
from ocr.conversion.result import PageResult
from ocr.conversion_options import ConversionOptions
from ocr.documents.opening import open_document
from ocr.documents.page_numbers import selected_pages
from ocr.engines.engine import OcrEngine


def convert(content: bytes, options: ConversionOptions, engine: OcrEngine) -> Iterator[PageResult]:
    """Yield the pages of a document as they are ready, in order.

    Pages do not depend on each other: converting some of them in one process and the rest in
    another gives the same results. What only the whole document tells (the levels of headings,
    running headers) is added by `assemble`.

    Args:
        content: a file of any format that can be read.
        engine: from `open_engine(options.engine)`; it may serve many conversions, one at a time.

    Raises:
        DocumentRefused: the document as a whole cannot be converted. A page that cannot be read
            raises nothing: it is a result with its error.
    """
    with open_document(content, options) as document:
        numbers = selected_pages(options.pages, document.page_count)
        for number in numbers:
            yield convert_page(document, number, options, engine)
