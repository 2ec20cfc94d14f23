"""Plain text, Markdown and CSV."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr.errors import DocumentRefused
from ocr.formats.text_formats import text_format
from ocr_testing.pages import HARBOUR, SURVEY
from ocr_testing.reading import all_blocks, read


def test_paragraphs_lists_of_lines_and_pages() -> None:
    wrapped = HARBOUR.replace("old harbour", "old\nharbour").replace("small boats", "small\nboats")
    text = f"{wrapped}\n\nMs Pia Rutschmann\nMarktgasse 28\n9400 Rorschach\n\f{SURVEY}\n"
    result = read(text.encode())
    assert result.page_count == 2
    assert result.pages[0].markdown == (
        f"{HARBOUR}\n\nMs Pia Rutschmann\n\nMarktgasse 28\n\n9400 Rorschach"
    )
    assert result.pages[1].markdown == SURVEY


def test_text_in_columns_stays_as_it_is() -> None:
    text = "Place        Depth\nNorth pier     3.4\nSouth pier   12.75"
    assert read(text.encode()).markdown == f"```\n{text}\n```"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_that_are_sure(encoding: str) -> None:
    result = read("Größe, Žluť, 港".encode(encoding))
    assert result.markdown == "Größe, Žluť, 港"
    assert result.warnings == []


def test_an_encoding_that_is_guessed_says_so() -> None:
    result = read("Größe der Schleuse".encode("cp1252"))
    assert result.markdown == "Größe der Schleuse"
    assert [(w.code, w.incomplete) for w in result.warnings] == [("encoding_guessed", False)]
    assert result.status == "complete"


def test_markdown() -> None:
    text = (
        "# Title\n\nA *word* and\na line.\n\n1. one\n2. two\n   - in\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nx  y\n```\n"
    )
    assert read(text.encode(), said="markdown").markdown == (
        "# Title\n\nA *word* and a line.\n\n1. one\n2. two\n   - in\n\n"
        "| a | b |\n| --- | --- |\n| 1 | 2 |\n\n```\nx  y\n```"
    )


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n", [["a", "b"], ["1", "2"]]),
        ('a;b\n"x; y";"two\nlines"\n', [["a", "b"], ["x; y", "two lines"]]),
        ("a\tb\n1,5\t2\n", [["a", "b"], ["1,5", "2"]]),
        ('a,b\n"he said ""no""",2\n\n3,4\n', [["a", "b"], ['he said "no"', "2"], ["3", "4"]]),
    ],
)
def test_csv(text: str, rows: list[list[str]]) -> None:
    (block,) = all_blocks(read(text.encode(), said="csv"))
    assert block.rows == rows


def test_csv_with_too_many_cells_is_refused() -> None:
    with pytest.raises(DocumentRefused, match="500,000 cells"):
        read(b"1,2,3,4,5,6,7,8,9,0\n" * 50_001, said="csv")


def test_text_that_is_none_is_refused() -> None:
    with pytest.raises(DocumentRefused, match=r"of no format.*Known are PDF.*DOCX"):
        read(b"text\0and more")
    with pytest.raises(DocumentRefused, match="it is empty"):
        read(b"")


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs"])))
def test_every_letter_of_a_text_is_in_it(text: str) -> None:
    if not text.strip() or text.encode().startswith((b"PK", b"BM", b"GIF8", b"%PDF")):
        return
    found = "".join(block.text for block in all_blocks(read(text.encode(), said="text")))
    assert "".join(found.split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("name", "media_type", "said"),
    [
        ("a.CSV", "", "csv"),
        ("notes.md", "application/octet-stream", "markdown"),
        ("data", "text/csv; charset=utf-8", "csv"),
        ("a.b.txt", "text/html", "text"),
        ("scan.pdf", "application/pdf", None),
    ],
)
def test_names_and_types(name: str, media_type: str, said: str | None) -> None:
    assert text_format(name, media_type) == said
