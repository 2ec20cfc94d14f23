"""PDF files with known text, and scans of them."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pypdfium2  # type: ignore[import-untyped]
from PIL import Image
from reportlab.lib import colors  # type: ignore[import-untyped]
from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
from reportlab.lib.styles import getSampleStyleSheet  # type: ignore[import-untyped]
from reportlab.lib.utils import ImageReader  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]
from reportlab.platypus import (  # type: ignore[import-untyped]
    BaseDocTemplate,
    Frame,
    PageTemplate,
    Paragraph,
    Table,
)

WIDTH, HEIGHT = A4
MARGIN = 60.0
GUTTER = 30.0

HARBOUR = (
    "The committee met in the spring to consider how the old harbour could be restored without "
    "closing it to the small boats that still depend on it."
)
SURVEY = (
    "Engineers measured the depth at forty points, compared their figures with a survey of 1911, "
    "and found that the channel had moved by almost twelve metres."
)

Draw = Callable[[Canvas], None]


def drawn(*pages: Draw, **options: object) -> bytes:
    """Return a PDF whose pages are drawn by functions."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, invariant=1, **options)
    for draw in pages:
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def set_in_columns(flow: Sequence[object], columns: int = 1) -> bytes:
    """Return a PDF with paragraphs and tables set in columns."""
    file = io.BytesIO()
    width = (WIDTH - 2 * MARGIN - (columns - 1) * GUTTER) / columns
    frames = [
        Frame(
            MARGIN + column * (width + GUTTER),
            MARGIN,
            width,
            HEIGHT - 2 * MARGIN,
            *(0, 0, 0, 0),
        )
        for column in range(columns)
    ]
    document = BaseDocTemplate(file, pagesize=A4, invariant=1)
    document.addPageTemplates([PageTemplate(frames=frames)])
    document.build(list(flow))
    return file.getvalue()


def paragraph(text: str, style: str = "BodyText") -> Paragraph:
    """Return a paragraph in one of reportlab's sample styles."""
    return Paragraph(text, getSampleStyleSheet()[style])


def table(rows: Sequence[Sequence[str]], ruled: bool = True) -> Table:
    """Return a table."""
    style = [("GRID", (0, 0), (-1, -1), 0.5, colors.black)] if ruled else []
    return Table([list(row) for row in rows], style=style)


def lines(*texts: str, size: float = 12.0, top: float = 100.0, left: float = MARGIN) -> Draw:
    """Return a function that writes lines, one below the other."""

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", size)
        for index, text in enumerate(texts):
            canvas.drawString(left, HEIGHT - top - index * 1.5 * size, text)

    return draw


def inflating(size: int, text: str) -> bytes:
    """Return a PDF with a page whose content inflates to so many bytes, and one with a text."""
    pressed = zlib.compressobj(6)
    spaces = b" " * 1_000_000
    bomb = b"".join(pressed.compress(spaces) for _ in range(size // len(spaces))) + pressed.flush()
    page = (
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents %d 0 R"
        b"/Resources<</Font<</F 7 0 R>>>>>>"
    )
    shown = b"BT /F 12 Tf 72 700 Td (%b) Tj ET" % text.encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>",
        page % 5,
        page % 6,
        b"<</Length %d/Filter/FlateDecode>>stream\n%b\nendstream" % (len(bomb), bomb),
        b"<</Length %d>>stream\n%b\nendstream" % (len(shown), shown),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    file, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        len(file),
    )
    return file + head + table + tail


def scan(pdf: bytes, dpi: int = 150) -> Image.Image:
    """Return the first page as an image."""
    with pypdfium2.PdfDocument(pdf) as document:
        image: Image.Image = document[0].render(scale=dpi / 72).to_pil().convert("RGB")
    image.info["dpi"] = (dpi, dpi)
    return image


def encoded(image: Image.Image, format: str = "PNG", dpi: int = 150) -> bytes:
    """Return an image as a file."""
    file = io.BytesIO()
    image.save(file, format, dpi=(dpi, dpi))
    return file.getvalue()


def pictured(image: Image.Image, left: float, top: float, width: float) -> Draw:
    """Return a function that puts an image on a page."""

    def draw(canvas: Canvas) -> None:
        height = width * image.height / image.width
        canvas.drawImage(ImageReader(image), left, HEIGHT - top - height, width, height)

    return draw


def blank(width: int = 40, height: int = 30) -> Image.Image:
    """Return a white image."""
    return Image.fromarray(np.full((height, width, 3), 255, np.uint8))
