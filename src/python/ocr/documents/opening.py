"""Opens a document by what its bytes are, whatever it is called."""

from __future__ import annotations

from ocr.conversion_options import ConversionOptions
from ocr.documents.document import Document
from ocr.documents.image_formats import NAMES, is_image
from ocr.documents.images import ImageDocument
from ocr.documents.pdf import PdfFile, is_pdf
from ocr.errors import DocumentBroken, DocumentTooLarge, FormatUnknown, TooManyPages
from ocr.formats.opening import open_structured


def open_document(content: bytes, options: ConversionOptions) -> Document:
    """Open a document.

    Raises:
        DocumentRefused: it is of no known format, broken, encrypted, or beyond a limit.
    """
    limits = options.limits
    if len(content) > limits.bytes:
        raise DocumentTooLarge(
            f"it has {len(content):,} bytes and the limit is {limits.bytes:,}; split it, or raise "
            "the limit"
        )
    document: Document
    if is_pdf(content):
        document = PdfFile(content, options.password, options.dpi, limits)
    elif is_image(content):
        document = ImageDocument(content, limits)
    elif not content:
        raise FormatUnknown("it is empty")
    else:
        document = _structured(content, options)
    if document.page_count == 0:
        document.__exit__(None, None, None)
        raise DocumentBroken("it has no pages")
    if document.page_count > limits.pages:
        document.__exit__(None, None, None)
        raise TooManyPages(
            f"it has {document.page_count:,} pages and the limit is {limits.pages:,}; split it, or "
            "raise the limit"
        )
    return document


def _structured(content: bytes, options: ConversionOptions) -> Document:
    try:
        return open_structured(content, options.text_format)
    except FormatUnknown as error:
        raise FormatUnknown(
            f"{error}. Known are PDF, {NAMES}; DOCX, PPTX, XLSX, HTML, EPUB, EML, MSG, CSV, "
            "Markdown and plain text"
        ) from None
