"""Office files with known content, made by the libraries that people use for it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping

import docx
import pptx
import xlsxwriter  # type: ignore[import-untyped]
from docx.enum.text import WD_BREAK
from PIL import Image, ImageDraw, ImageFont
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ocr_testing.pages import HARBOUR, SURVEY

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
ROWS = [["Place", "Depth"], ["North pier", "3.4"], ["South pier", "12.75"]]


def picture_of(text: str, width: int = 620) -> bytes:
    """Return a PNG image of a line of text."""
    image = Image.new("RGB", (width, 90), "white")
    font = ImageFont.load_default(34)
    ImageDraw.Draw(image).text((20, 20), text, fill="black", font=font)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def word(change: Callable[[object], None] | None = None) -> bytes:
    """Return a DOCX file with headings, lists, a table, a picture, a header and a second page."""
    document = docx.Document()
    document.core_properties.title = "Harbour"
    document.add_heading("Harbour report", 0)
    document.add_paragraph(HARBOUR)
    document.add_heading("Measurements", 1)
    document.add_paragraph("Survey of the north pier", style="List Bullet")
    document.add_paragraph("at low water", style="List Bullet 2")
    document.add_paragraph("Measure", style="List Number")
    document.add_paragraph("Compare", style="List Number")
    table = document.add_table(rows=0, cols=2)
    for row in ROWS:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    document.add_picture(io.BytesIO(picture_of("Crane out of order")))
    document.sections[0].header.paragraphs[0].text = "Harbour authority"
    document.sections[0].footer.paragraphs[0].text = "Confidential"
    document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
    document.add_heading("Costs", 2)
    document.add_paragraph(SURVEY)
    if change is not None:
        change(document)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def slides() -> bytes:
    """Return a PPTX file: a list with notes, a table with a chart, and a hidden slide."""
    deck = pptx.Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Harbour at a glance"
    body = first.placeholders[1].text_frame
    body.text = "Two piers"
    inner = body.add_paragraph()
    inner.text, inner.level = "one of them closed", 1
    first.shapes.add_picture(io.BytesIO(picture_of("Sketch of the pier")), Inches(1), Inches(5))
    first.notes_slide.notes_text_frame.text = "Mention the ferry."
    second = deck.slides.add_slide(deck.slide_layouts[5])
    second.shapes.title.text = "Depths"
    table = second.shapes.add_table(3, 2, Inches(1), Inches(2), Inches(6), Inches(1)).table
    for r, row in enumerate(ROWS):
        for c, text in enumerate(row):
            table.cell(r, c).text = text
    data = CategoryChartData()  # type: ignore[no-untyped-call]
    data.categories = ["2023", "2024"]
    data.add_series("Boats", (12, 17))  # type: ignore[no-untyped-call]
    second.shapes.add_chart(
        XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(4), Inches(6), Inches(3), data
    )
    hidden = deck.slides.add_slide(deck.slide_layouts[5])
    hidden.shapes.title.text = "Never shown"
    hidden._element.set("show", "0")
    file = io.BytesIO()
    deck.save(file)
    return file.getvalue()


def sheets() -> bytes:
    """Return an XLSX file: dates, sums, a comment, hidden rows and columns, and a hidden sheet."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    date = book.add_format({"num_format": "yyyy-mm-dd"})
    share = book.add_format({"num_format": "0.0%"})
    money = book.add_format({"num_format": "#,##0.00"})
    sheet = book.add_worksheet("Costs")
    sheet.write_row(0, 0, ["Place", "Built", "Share", "Price", "Secret"])
    sheet.write_row(1, 0, ["Crane"])
    sheet.write_number(1, 1, 45_292, date)
    sheet.write_number(1, 2, 0.35, share)
    sheet.write_number(1, 3, 4_250_000, money)
    sheet.write(1, 4, "margin")
    sheet.write_row(2, 0, ["Wall"])
    sheet.write_formula(2, 3, "=D2*2", money, 8_500_000)
    sheet.write_row(3, 0, ["Bribe"])
    sheet.write_number(3, 3, 1_000, money)
    sheet.set_row(3, None, None, {"hidden": True})
    sheet.set_column(4, 4, None, None, {"hidden": True})
    sheet.write_comment("A2", "Old crane", {"author": "Reviewer"})
    sheet.write(6, 0, "All prices without tax")
    sheet.insert_image(8, 0, "stamp.png", {"image_data": io.BytesIO(picture_of("Paid in full"))})
    sheet.set_header("&LHarbour authority&RPage &P")
    inner = book.add_worksheet("Internal")
    inner.write(0, 0, "Not for print")
    inner.hide()
    book.close()
    return file.getvalue()


def repacked(content: bytes, changes: Mapping[str, bytes | None]) -> bytes:
    """Return an archive with some parts replaced or added; None removes one."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            if name not in changes:
                target.writestr(name, source.read(name))
        for name, part in changes.items():
            if part is not None:
                target.writestr(name, part)
    return file.getvalue()


def part(content: bytes, name: str) -> bytes:
    """Return a part of an archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name)


def book(chapters: Mapping[str, bytes], others: Mapping[str, bytes] | None = None) -> bytes:
    """Return an EPUB file with chapters, which are XHTML, and what they refer to."""
    items = "".join(
        f'<item id="c{n}" href="{name}" media-type="application/xhtml+xml"/>'
        for n, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    opf = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/>'
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">'
        '<rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("OEBPS/book.opf", opf)
        for name, content in {**chapters, **(others or {})}.items():
            archive.writestr(f"OEBPS/{name}", content)
    return file.getvalue()
