"""Converts a document page by page, so that a caller can keep, skip and resume pages."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ocr.conversion.options import ConversionOptions
from ocr.conversion.page import begin_page, convert_page
from ocr.conversion.reading import read_page
from ocr.conversion.result import PageResult
from ocr.documents.document import Document
from ocr.documents.opening import open_document
from ocr.documents.page_numbers import selected_pages
from ocr.engines.engine import OcrEngine


def pages_of(content: bytes, options: ConversionOptions) -> tuple[int, ...]:
    """Return which pages a conversion would yield; nothing is converted.

    Raises:
        DocumentRefused: as `convert`.
    """
    with open_document(content, options) as document:
        return selected_pages(options.pages, document.page_count)


def convert(content: bytes, options: ConversionOptions, engine: OcrEngine) -> Iterator[PageResult]:
    """Yield the pages of a document as they are ready, in order.

    Pages do not depend on each other: converting some of them in one process and the rest in
    another gives the same results. What only the whole document tells (the levels of headings,
    running headers) is added by `assemble`.

    Args:
        content: a PDF, PNG, JPEG, TIFF or WebP file.
        engine: from `open_engine(options.engine)`; it may serve many conversions, one at a time.

    Raises:
        DocumentRefused: the document as a whole cannot be converted. A page that cannot be read
            raises nothing: it is a result with its error.
    """
    with open_document(content, options) as document:
        numbers = selected_pages(options.pages, document.page_count)
        if engine.concurrency > 1:
            yield from _several_at_a_time(document, numbers, options, engine)
            return
        for number in numbers:
            yield convert_page(document, number, options, engine)


def _several_at_a_time(
    document: Document, numbers: Sequence[int], options: ConversionOptions, engine: OcrEngine
) -> Iterator[PageResult]:
    """Yield pages in order while the engine reads the next ones, as many as it takes."""
    ahead: deque[PageResult | Future[PageResult]] = deque()
    pool = ThreadPoolExecutor(engine.concurrency)
    try:
        for number in numbers:
            begun = begin_page(document, number, options, engine)
            if isinstance(begun, PageResult):
                ahead.append(begun)
            else:
                ahead.append(pool.submit(read_page, begun, engine))
            if len(ahead) >= engine.concurrency:
                yield _ready(ahead.popleft())
        while ahead:
            yield _ready(ahead.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _ready(page: PageResult | Future[PageResult]) -> PageResult:
    return page if isinstance(page, PageResult) else page.result()
