"""PDF files with known text, and scans of them."""

from __future__ import annotations

import io
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
