"""XLSX: what a sheet shows, what it hides, and what it says beside it."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import xlsxwriter  # type: ignore[import-untyped]

from ocr.formats.content import MAX_CELLS
from ocr.formats.sheets.number_formats import NumberFormats
from ocr.formats.xml import parsed
from ocr_testing.office import part, repacked, sheets
from ocr_testing.reading import all_blocks, blocks_of, read


def written(write: Callable[[object], None]) -> bytes:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    write(book.add_worksheet("One"))
    book.close()
    return file.getvalue()


def test_a_workbook() -> None:
    result = read(sheets())
    assert result.markdown == (
        "# Costs\n\n| Place | Built | Share | Price |\n| --- | --- | --- | --- |\n"
        "| Crane | 2024-01-01 | 35.0% | 4,250,000.00 |\n| Wall |  |  | 8,500,000.00 |\n\n"
        "All prices without tax"
    )
    assert result.page_source_by_page == {"0001": "document", "0002": "document"}
    assert result.status == "complete"


def test_what_is_hidden_or_commented_is_told_apart() -> None:
    result = read(sheets())
    assert blocks_of(result, "hidden") == [
        "Bribe\t1,000.00", "Secret", "margin", "Internal", "Not for print"
    ]  # fmt: skip
    assert blocks_of(result, "comment") == ["A2: Old crane"]
    assert [b.text for b in all_blocks(result) if b.type == "header"] == ["Harbour authority Page"]


def test_a_formula_without_a_result_is_missing_text() -> None:
    content = sheets()
    name = "xl/worksheets/sheet1.xml"
    sheet = part(content, name)
    assert b"<v>8500000</v>" in sheet
    result = read(repacked(content, {name: sheet.replace(b"<v>8500000</v>", b"")}))
    assert [(w.code, w.incomplete) for w in result.warnings] == [("value_missing", True)]
    assert result.status == "partial"


def test_cells_far_apart_make_no_huge_table() -> None:
    def write(sheet: object) -> None:
        sheet.write(0, 0, "first")  # type: ignore[attr-defined]
        sheet.write(0, 16_383, "right")  # type: ignore[attr-defined]
        sheet.write(1_048_575, 0, "last")  # type: ignore[attr-defined]

    assert read(written(write)).markdown == ("# One\n\n| first | right |\n| --- | --- |\n\nlast")


def test_a_diagonal_of_cells_is_refused_and_not_filled() -> None:
    def write(sheet: object) -> None:
        for place in range(1_000):
            sheet.write(place, place, 1)  # type: ignore[attr-defined]

    result = read(written(write))
    assert (result.status, result.errors[0].code) == ("failed", "page_too_large")


def test_a_sheet_with_too_many_cells_is_refused() -> None:
    row = b"<row>" + b'<c t="n"><v>1</v></c>' * 1_000 + b"</row>"
    content = written(lambda sheet: None)
    name = "xl/worksheets/sheet1.xml"
    data = b"<sheetData>" + row * (MAX_CELLS // 1_000 + 1) + b"</sheetData>"
    sheet = part(content, name).replace(b"<sheetData/>", data)
    result = read(repacked(content, {name: sheet}))
    assert result.errors[0].code == "page_too_large"
    assert "500,000 cells" in result.errors[0].message


@pytest.mark.parametrize(
    ("value", "format", "shown"),
    [
        ("0.1", "General", "0.1"),
        ("0.30000000000000004", "General", "0.3"),
        ("12", "0.00", "12.00"),
        ("-1234.5", "#,##0.0", "-1,234.5"),
        ("0.075", "0.0%", "7.5%"),
        ("45292", "d.m.yyyy", "2024-01-01"),
        ("45292.75", "yyyy-mm-dd hh:mm", "2024-01-01 18:00"),
        ("0.5", "h:mm:ss", "12:00:00"),
        ("1.5", "[h]:mm:ss", "36:00:00"),
        ("3.2", '0.0" m"', "3.2"),
        ("5", '"$"#,##0.00', "$5.00"),
        ("5", "[$€-407]#,##0.00", "€5.00"),
        ("5", "#,##0.00 [$kr-41D]", "5.00 kr"),
        ("text", "0.00", "text"),
        ("1e300", "0.00", "1e300"),
        ("-5", "d.m.yyyy", "-5"),
    ],
)
def test_numbers_as_they_are_shown(value: str, format: str, shown: str) -> None:
    code = format.replace('"', "&quot;")
    styles = parsed(
        f'<s><numFmts><numFmt numFmtId="164" formatCode="{code}"/></numFmts>'
        '<cellXfs><xf numFmtId="164"/></cellXfs></s>'.encode(),
        "styles",
    )
    assert NumberFormats(styles, since_1904=False).shown(value, "0") == shown
