"""Documents in, Markdown and blocks out: what a caller of the library relies on."""

from __future__ import annotations

import io
import pickle
import struct
import zlib

import pytest
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from ocr.conversion.assembly import DocumentResult, assemble
from ocr.conversion.convert import convert
from ocr.conversion_options import ConversionOptions, Limits
from ocr.engines.rapid.engine import RapidEngine
from ocr.errors import (
    DocumentBroken,
    DocumentRefused,
    DocumentTooLarge,
    FormatUnknown,
    PagesWrong,
    PasswordMissing,
    PasswordWrong,
    TooManyPages,
)
from ocr_testing.pages import (
    HARBOUR,
    SURVEY,
    blank,
    drawn,
    encoded,
    lines,
    paragraph,
    pictured,
    scan,
    set_in_columns,
    table,
)

ROWS = (("Item", "Depth", "Year"), ("North pier", "3.4", "1911"), ("South pier", "12.7", "1998"))
TABLE = (
    "| Item | Depth | Year |\n| --- | --- | --- |\n"
    "| North pier | 3.4 | 1911 |\n| South pier | 12.7 | 1998 |"
)


def converted(
    content: bytes, engine: RapidEngine, options: ConversionOptions | None = None
) -> DocumentResult:
    return assemble(list(convert(content, options or ConversionOptions(), engine)), engine.name)


def test_a_text_layer_becomes_headings_paragraphs_and_tables(engine: RapidEngine) -> None:
    flow = [
        paragraph("Harbour report", "Title"),
        paragraph(HARBOUR),
        paragraph("Second part", "Heading2"),
        paragraph(SURVEY),
        table(ROWS),
    ]
    result = converted(set_in_columns(flow), engine)
    assert result.markdown == (
        f"# Harbour report\n\n{HARBOUR}\n\n## Second part\n\n{SURVEY}\n\n{TABLE}"
    )
    assert result.status == "complete"
    assert result.output_contract == "text_layer_fastpath_markdown"
    assert result.page_source_by_page == {"0001": "text_layer"}
    assert result.page_source_counts == {"ocr": 0, "text_layer": 1}
    page = result.pages[0]
    assert [block.type for block in page.blocks] == [
        *("heading", "paragraph", "heading", "paragraph", "table")
    ]
    assert [block.order for block in page.blocks] == [0, 1, 2, 3, 4]
    tops = [block.box[1] for block in page.blocks if block.box]
    assert tops == sorted(tops)
    assert page.blocks[4].rows == [list(row) for row in ROWS]


def test_a_table_without_lines_is_a_table(engine: RapidEngine) -> None:
    flow = [paragraph(HARBOUR), table(ROWS, ruled=False), paragraph(SURVEY)]
    assert converted(set_in_columns(flow), engine).markdown == f"{HARBOUR}\n\n{TABLE}\n\n{SURVEY}"


def test_columns_are_read_one_after_the_other(engine: RapidEngine) -> None:
    texts = [f"Paragraph {number}. {HARBOUR} {SURVEY}" for number in range(16)]
    markdown = converted(set_in_columns(list(map(paragraph, texts)), columns=2), engine).markdown
    places = [markdown.index(f"Paragraph {number}.") for number in range(16)]
    assert places == sorted(places)


def test_a_scan_is_recognised_and_says_so(engine: RapidEngine) -> None:
    image = scan(drawn(lines("Harbour report 1911", "The channel had moved.", size=14)))
    result = converted(encoded(image), engine)
    assert result.output_contract == "ocr_markdown"
    assert result.page_source_by_page == {"0001": "ocr"}
    assert "Harbour report 1911" in result.markdown
    assert "The channel had moved." in result.markdown
    block = result.pages[0].blocks[0]
    assert block.source == "ocr"
    assert block.confidence is not None
    assert block.confidence > 0.9
    assert block.box is not None
    assert 55 < block.box[0] < 65  # drawn at 60 points from the left
    assert 80 < block.box[1] < 100  # and its baseline at 100 from the top


def test_headings_of_a_scan_are_headings(engine: RapidEngine) -> None:
    flow = [paragraph("Second part", "Heading2"), paragraph(f"{HARBOUR} {SURVEY}")]
    result = converted(encoded(scan(set_in_columns(flow))), engine)
    assert result.markdown.startswith("# Second part\n\nThe ")
    assert [block.type for block in result.pages[0].blocks] == ["heading", "paragraph"]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_scan_that_lies_on_its_side_is_turned(engine: RapidEngine, quarters: int) -> None:
    image = scan(drawn(lines(HARBOUR[:60], SURVEY[:60], HARBOUR[60:120], size=13)), dpi=110)
    result = converted(encoded(image.rotate(90 * quarters, expand=True)), engine)
    assert HARBOUR[:40] in result.markdown.replace("\n", " ")
    assert result.pages[0].rotation == 90 * quarters


def test_pages_of_both_kinds_are_a_mixed_document(engine: RapidEngine) -> None:
    picture = scan(drawn(lines("Read from a scan.", size=16)), dpi=110)
    pdf = drawn(lines(HARBOUR), pictured(picture, 0, 0, 595))
    result = converted(pdf, engine)
    assert result.output_contract == "mixed_text_layer_fastpath_markdown"
    assert result.page_source_by_page == {"0001": "text_layer", "0002": "ocr"}
    assert result.page_source_counts == {"ocr": 1, "text_layer": 1}
    assert "Read from a scan." in result.markdown


def test_a_picture_between_text_is_read_in_its_place(engine: RapidEngine) -> None:
    picture = scan(drawn(lines("Seen in a picture.", size=40, left=40)), dpi=72)
    picture = picture.crop((20, 50, 480, 130))

    def page(canvas: Canvas) -> None:
        lines(HARBOUR[:69], top=100)(canvas)
        pictured(picture, 60, 150, 400)(canvas)
        lines(SURVEY[:70], top=320)(canvas)

    result = converted(drawn(page), engine)
    assert result.pages[0].mixed
    assert result.pages[0].source == "ocr"
    assert result.output_contract == "mixed_text_layer_fastpath_markdown"
    sources = {block.text: block.source for block in result.pages[0].blocks}
    assert sources == {
        HARBOUR[:69]: "text_layer",
        "Seen in a picture.": "ocr",
        SURVEY[:70].strip(): "text_layer",
    }
    assert list(sources) == [HARBOUR[:69], "Seen in a picture.", SURVEY[:70].strip()]


def test_running_headers_and_page_numbers_are_told_apart(engine: RapidEngine) -> None:
    def page(number: int) -> object:
        def draw(canvas: Canvas) -> None:
            lines("Annual report of the harbour", size=9, top=40)(canvas)
            lines(f"Body of page {['one', 'two', 'three'][number]}. {HARBOUR[:40]}")(canvas)
            lines(f"{number + 1}", size=9, top=810, left=290)(canvas)

        return draw

    result = converted(drawn(*(page(number) for number in range(3))), engine)  # type: ignore[arg-type]
    assert result.markdown.count("Annual report") == 1  # where it comes first
    assert result.markdown.index("Annual report") < result.markdown.index("Body of page one.")
    assert "Body of page two." in result.markdown
    for page_result in result.pages[1:]:
        assert [block.type for block in page_result.blocks] == ["header", "paragraph", "footer"]


def test_pages_can_be_converted_apart_and_put_together(engine: RapidEngine) -> None:
    pdf = drawn(lines("First page.", size=20), lines(HARBOUR), lines(SURVEY))
    together = converted(pdf, engine)
    apart = []
    for pages in ("3", "1-2"):
        options = pickle.loads(pickle.dumps(ConversionOptions(pages=pages)))
        apart.extend(pickle.loads(pickle.dumps(list(convert(pdf, options, engine)))))
    again = assemble(apart, engine.name)
    for result in (together, again):
        for page in result.pages:
            page.seconds = 0.0
    assert again == together


def test_an_encrypted_file_needs_its_password(engine: RapidEngine) -> None:
    pdf = drawn(lines(HARBOUR), encrypt="correct horse")
    with pytest.raises(PasswordMissing):
        converted(pdf, engine)
    with pytest.raises(PasswordWrong):
        converted(pdf, engine, ConversionOptions(password="wrong"))
    opened = converted(pdf, engine, ConversionOptions(password="correct horse"))
    assert HARBOUR[:60] in opened.markdown


@pytest.mark.parametrize(
    ("content", "limits", "error"),
    [
        (b"", Limits(), FormatUnknown),
        (b"MZ\x90\0", Limits(), FormatUnknown),
        (b"%PDF-1.7\nnothing follows", Limits(), DocumentBroken),
        (b"\x89PNG\r\n\x1a\nnothing follows", Limits(), DocumentBroken),
        (drawn(lines("x"), lines("y")), Limits(pages=1), TooManyPages),
        (drawn(lines("x")), Limits(bytes=100), DocumentTooLarge),
    ],
)
def test_a_document_that_cannot_be_converted_is_refused(
    engine: RapidEngine, content: bytes, limits: Limits, error: type[DocumentRefused]
) -> None:
    with pytest.raises(error) as caught:
        converted(content, engine, ConversionOptions(limits=limits))
    assert caught.value.code
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("pages", ["0", "3", "2-1", "1-9", "one", "1,,2", ""])
def test_pages_that_are_not_there_are_refused(engine: RapidEngine, pages: str) -> None:
    with pytest.raises(PagesWrong):
        converted(drawn(lines("x"), lines("y")), engine, ConversionOptions(pages=pages))


def test_too_many_pixels_and_too_little_time_fail_the_page_with_its_number(
    engine: RapidEngine,
) -> None:
    image = encoded(blank(4_000, 3_000))
    result = converted(image, engine, ConversionOptions(limits=Limits(pixels=1_000_000)))
    assert result.status == "failed"
    assert result.output_contract is None
    assert result.markdown == ""
    assert [(error.page, error.code) for error in result.errors] == [(1, "page_too_large")]
    assert "12,000,000 pixels" in result.errors[0].message

    bomb = bytearray(image)
    bomb[16:24] = struct.pack(">II", 60_000, 60_000)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bomb[12:29]))
    result = converted(bytes(bomb), engine, ConversionOptions())
    assert [(error.page, error.code) for error in result.errors] == [(1, "page_too_large")]

    late = converted(image, engine, ConversionOptions(limits=Limits(seconds=1e-6)))
    assert [(error.page, error.code) for error in late.errors] == [(1, "page_timed_out")]


def test_every_frame_of_an_image_is_a_page(engine: RapidEngine) -> None:
    pages = [scan(drawn(lines(text, size=24)), dpi=72) for text in ("Frame one", "Frame two")]
    file = io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    result = converted(file.getvalue(), engine)
    assert [page.markdown for page in result.pages] == ["Frame one", "Frame two"]
