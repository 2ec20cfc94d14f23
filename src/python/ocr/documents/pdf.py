"""PDF files, read by PDFium."""

from __future__ import annotations

import ctypes
import logging
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType

import numpy as np
import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from ocr.conversion_options import Limits
from ocr.documents.document import PageImage
from ocr.errors import DocumentBroken, PageBroken, PageTooLarge, PasswordMissing, PasswordWrong
from ocr.page_warning import PageWarning
from ocr.text_layer.characters import read_text_layer
from ocr.text_layer.layer import TextLayer
from ocr.text_layer.placing import Placing

_log = logging.getLogger(__name__)

_HEADER_WITHIN = 1024
"""Readers accept a header that does not begin at the first byte, up to here."""
_POINTS = 72.0
_PROBE = 10_000
"""Device size from which the placing of a page is derived."""
_LOWEST_DPI = 12
"""Type of 72 points has 12 pixels then, which is the least that is ever read."""
_NO_PAGES = re.compile(rb"/Kids\s*\[\s*\]\s*/Count\s+0\b|/Count\s+0\s*/Kids\s*\[\s*\]")
"""A tree of pages without any: PDFium takes it for damage."""
_SMALLEST_SIDE = 1.0
"""Points. A page thinner than this is an error of whoever made it."""


def is_pdf(content: bytes) -> bool:
    """Return whether it begins like a PDF file."""
    return b"%PDF-" in content[:_HEADER_WITHIN]


class PdfFile:
    """An open PDF file; a `Document`."""

    format = "pdf"

    def __init__(self, content: bytes, password: str | None, dpi: int, limits: Limits) -> None:
        self._file = _opened(content, password)
        # Before any page is loaded: pages that are loaded earlier do not show their fields.
        _show_forms(self._file)
        self._dpi = dpi
        self._limits = limits
        self.page_count = len(self._file)
        self._warnings = tuple(_warnings(self._file))

    def __enter__(self) -> PdfFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def page(self, number: int) -> PdfPage:
        """Return one page.

        Raises:
            PageBroken: its data cannot be read, or it has no size.
        """
        try:
            page = self._file[number - 1]
        except pypdfium2.PdfiumError as error:
            raise PageBroken(f"PDFium cannot load it: {error}") from None
        width, height = page.get_size()
        if not all(math.isfinite(side) and side >= _SMALLEST_SIDE for side in (width, height)):
            raise PageBroken(f"its size is {width:g} x {height:g} points, which is no page")
        warnings = self._warnings if number == 1 else ()
        return PdfPage(page, number, self._dpi, self._limits, warnings)


class PdfPage:
    """A page of a PDF file; a `SourcePage`."""

    def __init__(
        self,
        page: pypdfium2.PdfPage,
        number: int,
        dpi: int,
        limits: Limits,
        warnings: tuple[PageWarning, ...] = (),
    ) -> None:
        self._page = page
        self._warnings = warnings
        self.number = number
        self._dpi = dpi
        self._limits = limits

    def text_layer(self) -> TextLayer:
        """Return the text and the pictures of the page."""
        try:
            layer = read_text_layer(self._page, _placing(self._page))
        except pypdfium2.PdfiumError as error:
            raise PageBroken(f"PDFium cannot read its content: {error}") from None
        if not self._warnings:
            return layer
        return replace(layer, warnings=(*self._warnings, *layer.warnings))

    def image(self) -> PageImage:
        """Render the page, as it is to be read: with the rotation that it asks for.

        A page that would have too many pixels is rendered at a lower resolution: what is large is
        mostly a poster or a plan, whose letters are large as well.

        Raises:
            PageTooLarge: it is larger than anything that could be read then.
        """
        width, height = self._page.get_size()
        pixels = width * height * (self._dpi / _POINTS) ** 2
        dpi = float(self._dpi)
        warnings: tuple[PageWarning, ...] = ()
        if pixels > self._limits.pixels:
            dpi = math.floor(self._dpi * math.sqrt(self._limits.pixels / pixels))
            message = (
                f"at {self._dpi} dpi it has {pixels:,.0f} pixels and the limit is "
                f"{self._limits.pixels:,}"
            )
            if dpi < _LOWEST_DPI:
                raise PageTooLarge(f"{message}; raise it with --max-pixels")
            reduced = f"{message}, so it was read at {dpi:.0f} dpi; --max-pixels raises the limit"
            warnings = (PageWarning("resolution_reduced", reduced, False),)
        bitmap = self._page.render(scale=dpi / _POINTS, rev_byteorder=True)
        pixels_of_it = np.ascontiguousarray(bitmap.to_numpy()[..., :3])
        return PageImage(pixels_of_it, dpi, self._dpi / dpi, warnings)


def _opened(content: bytes, password: str | None) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(content, password=password)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            if password is None:
                raise PasswordMissing("it is encrypted; give its password") from None
            raise PasswordWrong("the password does not open it") from None
        if error.err_code == pdfium.FPDF_ERR_SECURITY:
            raise DocumentBroken("it is encrypted in a way that PDFium does not know") from None
        if _NO_PAGES.search(content):
            raise DocumentBroken("it has no pages") from None
        raise DocumentBroken(
            "it begins like a PDF file and PDFium cannot read it; repair it, or print it anew"
        ) from None


def _warnings(file: pypdfium2.PdfDocument) -> Iterator[PageWarning]:
    """Yield what is to be known of a file as a whole; its first page says it."""
    attachments = pdfium.FPDFDoc_GetAttachmentCount(file)
    if attachments > 0:
        files = "attachment, which is" if attachments == 1 else "attachments, which are"
        message = f"the file has {attachments:,} {files} not converted"
        yield PageWarning("attachments", message, incomplete=False)
    if file.get_formtype() == pdfium.FORMTYPE_XFA_FULL:
        message = (
            "the file is a dynamic XFA form: what its pages show in Adobe Reader is not in them; "
            "print it to a PDF file first"
        )
        yield PageWarning("dynamic_form", message, incomplete=True)


def _show_forms(file: pypdfium2.PdfDocument) -> None:
    """Let PDFium draw and tell the values of form fields; a form that is broken stays undrawn."""
    if file.get_formtype() == pdfium.FORMTYPE_NONE:
        return
    try:
        file.init_forms(pdfium.FPDF_FORMFILLINFO(version=2))
    except pypdfium2.PdfiumError as error:
        _log.warning("the values of its form cannot be read: %s", error)


def _placing(page: pypdfium2.PdfPage) -> Placing:
    """Return how the page's own coordinates become points from its top left corner, as shown."""
    width, height = page.get_size()

    def device(x: float, y: float) -> tuple[float, float]:
        right, down = ctypes.c_int(), ctypes.c_int()
        pdfium.FPDF_PageToDevice(page, 0, 0, _PROBE, _PROBE, 0, x, y, right, down)
        return right.value / _PROBE * width, down.value / _PROBE * height

    far = max(width, height)
    origin, along, up = device(0, 0), device(far, 0), device(0, far)
    return Placing(
        a=round((along[0] - origin[0]) / far),
        b=round((along[1] - origin[1]) / far),
        c=round((up[0] - origin[0]) / far),
        d=round((up[1] - origin[1]) / far),
        right=origin[0],
        down=origin[1],
        width=width,
        height=height,
    )
