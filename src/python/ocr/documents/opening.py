"""Opens a document by what its bytes are, whatever it is called."""

from __future__ import annotations

from ocr.conversion.options import ConversionOptions
from ocr.documents.document import Document
from ocr.documents.images import ImageDocument, is_image
from ocr.documents.pdf import PdfFile, is_pdf
from ocr.errors import DocumentTooLarge, FormatUnknown, TooManyPages


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
        raise FormatUnknown("it is no PDF, PNG, JPEG, TIFF or WebP file")
    if document.page_count > limits.pages:
        document.__exit__(None, None, None)
        raise TooManyPages(
            f"it has {document.page_count:,} pages and the limit is {limits.pages:,}; split it, or "
            "raise the limit"
        )
    return document
