"""An XLSX file: a page for each sheet, with tables of what is shown, and of what is hidden."""

from __future__ import annotations

from collections.abc import Sequence

from ocr.errors import DocumentBroken, PageBroken, PageTooLarge
from ocr.formats.content import MAX_CELLS, StructuredDocument, StructuredPage
from ocr.formats.package import MAX_UNPACKED, Package
from ocr.formats.pictures import PartPictures
from ocr.formats.relationships import Relationships
from ocr.formats.sheets.number_formats import NumberFormats
from ocr.formats.sheets.sheet import Cells, read_cells, text_of
from ocr.formats.xml import Element, attribute, child, children, descendants, parsed
from ocr.layout.block import Part


class Workbook(StructuredDocument):
    """An open XLSX file.

    Args:
        part: the name of the main part.
    """

    format = "xlsx"

    def __init__(self, package: Package, part: str) -> None:
        self._package = package
        root = parsed(package.read(part), part)
        links = Relationships(package, part)
        self._sheets: list[tuple[str, str, bool]] = []
        for listed in children(child(root, "sheets"), "sheet"):
            found = links.get(attribute(listed, "id"))
            if found is not None and not found.external:
                hidden = attribute(listed, "state", "visible") != "visible"
                self._sheets.append((attribute(listed, "name"), found.target, hidden))
        self.page_count = len(self._sheets)
        since_1904 = attribute(child(root, "workbookPr"), "date1904") in ("1", "true")
        self._formats = NumberFormats(self._part(links, "styles"), since_1904=since_1904)
        strings = self._part(links, "sharedStrings")
        self._strings = [text_of(found) for found in children(strings, "si")]

    def page(self, number: int) -> StructuredPage:
        """Return a sheet.

        Raises:
            PageBroken: it is missing or damaged.
            PageTooLarge: it has more than a page may have.
        """
        name, part, hidden = self._sheets[number - 1]
        page = StructuredPage(number, "a sheet")
        kind: Part = "hidden" if hidden else "body"
        page.heading(name, 1, kind)
        try:
            links = Relationships(self._package, part)
            cells = read_cells(
                self._package.read(part, MAX_UNPACKED), part, self._shared, self._formats
            )
            page.notices["value_missing"] += cells.valueless
            page.furniture("header", cells.header)
            _add_tables(cells, page, kind)
            self._add_pictures(links, page, kind)
            self._add_comments(links, page)
            page.furniture("footer", cells.footer)
        except DocumentBroken as error:
            raise PageBroken(str(error)) from None
        return page

    def _part(self, links: Relationships, kind: str) -> Element | None:
        name = links.first(kind)
        if name is None or name not in self._package:
            return None
        return parsed(self._package.read(name), name)

    def _shared(self, index: str) -> str:
        place = int(index) if index.isdecimal() and len(index) < 10 else -1
        return self._strings[place] if 0 <= place < len(self._strings) else ""

    def _add_pictures(self, links: Relationships, page: StructuredPage, kind: Part) -> None:
        for name in links.of_kind("drawing"):
            if name not in self._package:
                continue
            drawing_links = Relationships(self._package, name)
            pictures = PartPictures(self._package, drawing_links)
            for blip in descendants(parsed(self._package.read(name), name), "blip"):
                embedded, linked = attribute(blip, "embed"), attribute(blip, "link")
                if embedded or linked:
                    pictures.add([(embedded or linked, not embedded)], page, kind)

    def _add_comments(self, links: Relationships, page: StructuredPage) -> None:
        for name in links.of_kind("comments"):
            if name in self._package:
                for comment in descendants(parsed(self._package.read(name), name), "comment"):
                    place = attribute(comment, "ref")
                    page.paragraph(f"{place}: {text_of(child(comment, 'text'))}", "comment")


def _add_tables(cells: Cells, page: StructuredPage, kind: Part) -> None:
    """Add what is shown, then what is hidden: rows whole, and of the others the hidden columns."""
    columns = {column for row in cells.rows.values() for column in row}
    shown_rows = sorted(number for number in cells.rows if number not in cells.hidden_rows)
    _add(cells, shown_rows, columns - cells.hidden_columns, page, kind)
    _add(cells, sorted(cells.hidden_rows), columns, page, "hidden")
    _add(cells, shown_rows, columns & cells.hidden_columns, page, "hidden")


def _add(
    cells: Cells, rows: Sequence[int], columns: set[int], page: StructuredPage, part: Part
) -> None:
    """Add runs of rows without an empty one between them: a table each, or a line of text."""
    run: list[int] = []
    for number in rows:
        has_any = not columns.isdisjoint(cells.rows[number])
        if run and (number > run[-1] + 1 or not has_any):
            _add_run(cells, run, columns, page, part)
            run = []
        if has_any:
            run.append(number)
    _add_run(cells, run, columns, page, part)


def _add_run(
    cells: Cells, run: Sequence[int], columns: set[int], page: StructuredPage, part: Part
) -> None:
    used = sorted({column for row in run for column in cells.rows[row]} & columns)
    if len(run) * len(used) > MAX_CELLS:
        raise PageTooLarge(
            f"a table of {len(run):,} rows and {len(used):,} columns has more than "
            f"{MAX_CELLS:,} cells; split it into smaller ones"
        )
    if len(used) == 1:
        for row in run:
            page.paragraph(cells.rows[row][used[0]], part)
    elif used:
        page.table([[cells.rows[row].get(column, "") for column in used] for row in run], part)
