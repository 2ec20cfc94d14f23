"""Office files, web pages and books of the benchmark, with the truth that they were made from."""

from __future__ import annotations

import html
import io
import zipfile
from random import Random

import docx
import pptx
import xlsxwriter  # type: ignore[import-untyped]
from pptx.util import Inches

from ocr_benchmark.case import Case
from ocr_benchmark.texts import HEADINGS, ITEMS, figures, passage

Rows = list[list[str]]


class _Truth:
    """What a perfect reader would read, in order."""

    def __init__(self, name: str, ending: str) -> None:
        self._name, self._ending = name, ending
        self.texts: list[str] = []
        self.tables: list[Rows] = []

    def say(self, *texts: str) -> str:
        """Note texts, and return the last."""
        self.texts += texts
        return texts[-1]

    def table(self, rows: Rows) -> Rows:
        """Note a table."""
        self.texts += [cell for row in rows for cell in row]
        self.tables.append(rows)
        return rows

    def case(self, content: bytes) -> Case:
        """Return the document with its truth."""
        return Case(self._name, content, " ".join(self.texts), self.tables, ending=self._ending)


def office_cases(random: Random) -> list[Case]:
    """Return a document of each format."""
    return [_word(random), _slides(random), _sheets(random), _web(random), _book(random)]


def _word(random: Random) -> Case:
    truth, document = _Truth("report.docx", "docx"), docx.Document()
    for level in (1, 2):
        document.add_heading(truth.say(random.choice(HEADINGS)), level)
        document.add_paragraph(truth.say(passage(random, "eng", 6)))
        for item in random.sample(ITEMS, 3):
            document.add_paragraph(truth.say(item), style="List Bullet")
        rows = truth.table(figures(random, 5))
        table = document.add_table(rows=0, cols=len(rows[0]))
        for row in rows:
            for cell, text in zip(table.add_row().cells, row, strict=True):
                cell.text = text
    file = io.BytesIO()
    document.save(file)
    return truth.case(file.getvalue())


def _slides(random: Random) -> Case:
    truth, deck = _Truth("deck.pptx", "pptx"), pptx.Presentation()
    for heading in random.sample(HEADINGS, 3):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = truth.say(heading)
        items = random.sample(ITEMS, 3)
        slide.placeholders[1].text_frame.text = "\n".join(items)
        truth.say(*items)
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = truth.say("Figures")
    rows = truth.table(figures(random, 5))
    table = slide.shapes.add_table(
        len(rows), len(rows[0]), Inches(1), Inches(2), Inches(8), Inches(2)
    ).table
    for r, row in enumerate(rows):
        for c, text in enumerate(row):
            table.cell(r, c).text = text
    file = io.BytesIO()
    deck.save(file)
    return truth.case(file.getvalue())


def _sheets(random: Random) -> Case:
    truth, file = _Truth("book.xlsx", "xlsx"), io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    for name in ("Spring", "Autumn"):
        sheet = book.add_worksheet(truth.say(name))
        for number, row in enumerate(truth.table(figures(random, 6))):
            sheet.write_row(number, 0, row)
    book.close()
    return truth.case(file.getvalue())


def _web(random: Random) -> Case:
    truth = _Truth("page.html", "html")
    body = _page(random, truth)
    page = f"<!DOCTYPE html><html><head><meta charset=utf-8></head><body>{body}</body></html>"
    return truth.case(page.encode())


def _book(random: Random) -> Case:
    truth, file = _Truth("book.epub", "epub"), io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">'
            '<rootfiles><rootfile full-path="book.opf" '
            'media-type="application/oebps-package+xml"/></rootfiles></container>',
        )
        items = "".join(
            f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>'
            for n in range(2)
        )
        archive.writestr(
            "book.opf",
            '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/>'
            f"<manifest>{items}</manifest>"
            '<spine><itemref idref="c0"/><itemref idref="c1"/></spine></package>',
        )
        for number in range(2):
            archive.writestr(
                f"c{number}.xhtml",
                '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>c</title></head>'
                f"<body>{_page(random, truth)}</body></html>",
            )
    return truth.case(file.getvalue())


def _page(random: Random, truth: _Truth) -> str:
    parts = [f"<h1>{truth.say(random.choice(HEADINGS))}</h1>"]
    parts.append(f"<p>{html.escape(truth.say(passage(random, 'eng', 6)))}</p><ul>")
    parts += [f"<li>{truth.say(item)}</li>" for item in random.sample(ITEMS, 3)]
    rows = truth.table(figures(random, 5))
    cells = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    return (
        "".join(parts) + "</ul><table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"
    )
