"""What PDF pages say, and how: ligatures, forms, notes, scripts, layers that are not shown."""

from __future__ import annotations

from itertools import pairwise

import pytest
from reportlab.lib.utils import ImageReader  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from ocr.conversion.assembly import DocumentResult, assemble
from ocr.conversion.convert import convert
from ocr.conversion_options import ConversionOptions, TextLayer
from ocr.engines.rapid.engine import RapidEngine
from ocr_testing.minimal_pdfs import (
    annotated,
    composite,
    downwards,
    form,
    from_right,
    paragraph,
    pdf,
    prose,
    text,
    with_picture,
)
from ocr_testing.pages import HEIGHT, WIDTH, drawn, lines, scan

WHITE = bytes([255]) * (200 * 260)
FULL_PAGE = "q 612 0 0 792 0 0 cm /I0 Do Q "


def converted(
    content: bytes, engine: RapidEngine, text_layer: TextLayer = "auto"
) -> DocumentResult:
    options = ConversionOptions(text_layer=text_layer)
    return assemble(list(convert(content, options, engine)), engine.name)


def test_a_ligature_that_stands_for_two_letters_has_both(engine: RapidEngine) -> None:
    glyphs = ["T", "h", "e", " ", "o", "ff", "e", "r", " ", "d", "i", "ff", "e", "r", "s"]
    assert converted(composite([(72, 740, glyphs)]), engine).markdown == "The offer differs"


def test_a_line_drawn_twice_to_make_it_bold_is_one(engine: RapidEngine) -> None:
    page = text(72, 740, "Annual offer") + text(72.3, 740, "Annual offer") + paragraph(72, 700)
    assert converted(pdf(page), engine).markdown == f"Annual offer\n\n{prose()}"


@pytest.mark.parametrize("appearance", [True, False])
def test_values_of_form_fields_stand_beside_their_labels(
    engine: RapidEngine, appearance: bool
) -> None:
    result = converted(form(appearance), engine)
    assert "Full name: Margaret Hamilton" in result.markdown
    assert "I agree: [x]" in result.markdown
    assert "Send letters: [ ]" in result.markdown
    assert result.pages[0].read_by["form_field"] == len("MargaretHamilton[x][ ]")


def test_notes_that_are_written_on_a_page_are_read(engine: RapidEngine) -> None:
    note = (
        "<< /Type /Annot /Subtype /FreeText /Contents (APPROVED ON 3 MAY) "
        "/Rect [150 700 400 720] /F 4 /DA (/F1 12 Tf) >>"
    )
    result = converted(annotated(note, paragraph(72, 600)), engine)
    assert result.markdown == f"APPROVED ON 3 MAY\n\n{prose()}"
    assert result.pages[0].read_by["annotation"] == len("APPROVEDON3MAY")
    hidden = note.replace("/F 4", "/F 2")
    assert converted(annotated(hidden, paragraph(72, 600)), engine).markdown == prose()


def test_links_lead_to_their_addresses(engine: RapidEngine) -> None:
    link = (
        "<< /Type /Annot /Subtype /Link /Rect [72 698 200 712] "
        "/A << /S /URI /URI (https://example.org/a\\(b\\)) >> >>"
    )
    page = text(72, 700, "Read the handbook") + paragraph(72, 650)
    markdown = converted(annotated(link, page), engine).markdown
    assert markdown == f"[Read the handbook](https://example.org/a%28b%29)\n\n{prose()}"


@pytest.mark.parametrize(
    "texts",
    [
        (
            "اللغة العربية هي لغة جميلة",
            "يتحدث بها ملايين الناس في العالم",
            "سعر الكتاب هو ٢٥ دينارا",
        ),
        ("שלום עולם זה מסמך קצר", "המחיר הוא 250 שקלים בלבד"),
    ],
)
def test_scripts_that_run_from_the_right_are_in_the_order_of_reading(
    engine: RapidEngine, texts: tuple[str, ...]
) -> None:
    markdown = converted(from_right(*texts), engine).markdown
    assert " ".join(markdown.split()) == " ".join(texts)


def test_lam_and_alef_of_one_glyph_keep_their_order(engine: RapidEngine) -> None:
    # The word ends at the left; its glyph of two letters is the second from the right.
    glyphs = ["م", "لا", "س"]
    assert converted(composite([(500, 740, glyphs)]), engine).markdown == "سلام"


def test_columns_of_letters_are_read_from_the_right(engine: RapidEngine) -> None:
    columns = (
        "日本語の文章は縦に書かれることがある。",
        "二行目は左に続きます。",
        "三行目で終わります。",
    )
    assert converted(downwards(*columns), engine).markdown == "".join(columns)


def test_a_layer_that_the_engine_cannot_read_is_used_though_it_is_not_shown(
    engine: RapidEngine,
) -> None:
    shown = "This text was recognised by another program."
    page = f"{FULL_PAGE} BT 3 Tr /F1 11 Tf 72 700 Td ({shown}) Tj ET"
    content = with_picture(page, WHITE, 200, 260)
    for text_layer in ("auto", "always"):
        result = converted(content, engine, text_layer)
        assert result.markdown == shown
        assert result.page_source_by_page == {"0001": "text_layer"}
    assert converted(content, engine).pages[0].read_by == {"invisible_layer": 38}


def test_text_under_a_picture_that_covers_it_is_not_trusted(engine: RapidEngine) -> None:
    image = scan(drawn(lines("The harbour was", "restored in spring.", size=30))).convert("L")
    page = text(72, 700, "Tbe barbour vvas rest0red lll spring") + FULL_PAGE
    content = with_picture(page, image.tobytes(), *image.size)
    result = converted(content, engine)
    assert "The harbour was" in result.markdown
    assert "barbour" not in result.markdown
    assert result.pages[0].source == "ocr"
    # What is printed after the picture lies on it, and is seen.
    before = with_picture(FULL_PAGE + paragraph(72, 700), WHITE, 200, 260)
    assert prose() in converted(before, engine).markdown


@pytest.mark.parametrize("strips", [4, 40])
def test_text_under_a_scan_in_strips_is_not_trusted(strips: int, engine: RapidEngine) -> None:
    image = scan(drawn(lines("The harbour was", "restored in spring.", size=30))).convert("L")
    edges = [image.height * strip // strips for strip in range(strips + 1)]

    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "Tbe barbour vvas rest0red lll spring")
        for top, bottom in pairwise(edges):
            strip = ImageReader(image.crop((0, top, image.width, bottom)))
            height = HEIGHT * (bottom - top) / image.height
            canvas.drawImage(strip, 0, HEIGHT * (1 - bottom / image.height), WIDTH, height)

    result = converted(drawn(draw), engine)
    assert "The harbour was" in result.markdown
    assert "barbour" not in result.markdown


def test_vertical_text_that_pdfium_cannot_read_is_not_passed_over(engine: RapidEngine) -> None:
    content = composite([(520, 740, "日本語の文章は"), (496, 740, "二行目は左に")], width=1000)
    content = content.replace(b"/Identity-H", b"/Identity-V")
    # PDFium reads such text, unless the font that it is set in is not in the file.
    assert "日本語の文章は" in converted(content, engine).markdown
    result = converted(content.replace(b"/FontFile2", b"/NoneAtAll"), engine)
    assert result.status == "partial"
    assert [warning.code for warning in result.warnings] == ["text_unreadable"]


def test_lettering_drawn_as_shapes_is_read(engine: RapidEngine) -> None:
    strokes = {
        "H": "0 0 m 0 10 l 0 5 m 6 5 l 6 0 m 6 10 l",
        "E": "6 0 m 0 0 l 0 10 l 6 10 l 0 5 m 5 5 l",
        "L": "6 0 m 0 0 l 0 10 l",
        "O": "0 0 m 0 10 l 6 10 l 6 0 l 0 0 l",
    }
    page = "".join(
        f"q 6 0 0 6 {80 + 60 * index} 600 cm 1.1 w {strokes[letter]} S Q\n"
        for index, letter in enumerate("HELLO")
    )
    result = converted(pdf(page), engine)
    assert result.markdown.strip("# ") == "HELLO"
    assert result.pages[0].source == "ocr"
    blank = converted(pdf(""), engine)
    assert (blank.status, blank.markdown, blank.pages[0].reason) == ("complete", "", "it is blank")


def test_layers_that_are_switched_off_are_left_out(engine: RapidEngine) -> None:
    page = f"/OC /MC0 BDC {text(72, 740, 'A DRAFT')} EMC {paragraph(72, 650)}"
    for state, expected in (("OFF", prose()), ("ON", f"A DRAFT\n\n{prose()}")):
        content = pdf(
            page,
            more=lambda objects: {"group": objects.add("<< /Type /OCG /Name (Draft) >>")},
            resources="/Properties << /MC0 {group} >>",
            catalog=f"/OCProperties << /OCGs [{{group}}] /D << /{state} [{{group}}] >> >>",
        )
        assert converted(content, engine).markdown == expected


def test_letters_set_wide_are_words(engine: RapidEngine) -> None:
    page = "BT /F2 16 Tf 6 Tc 72 740 Td (CONTENTS AND NOTES) Tj 0 Tc ET " + paragraph(72, 700)
    assert converted(pdf(page), engine).markdown == f"# CONTENTS AND NOTES\n\n{prose()}"


def test_prose_set_wide_is_prose(engine: RapidEngine) -> None:
    page = "BT /F1 11 Tf 4 Tc 72 740 Td (It asked the board, and left.) Tj 0 Tc ET "
    letters = "".join(text(72 + 16 * place, 700, letter) for place, letter in enumerate("NOTES"))
    markdown = converted(pdf(page + letters), engine).markdown
    assert markdown == "It asked the board, and left. NOTES"


def test_a_watermark_is_no_part_of_the_text(engine: RapidEngine) -> None:
    mark = "BT /F2 60 Tf 0.7 0.7 -0.7 0.7 150 250 Tm 0.9 g (CONFIDENTIAL) Tj ET 0 g "
    result = converted(pdf(mark + paragraph(72, 650)), engine)
    assert result.markdown == prose()
    assert [block.text for block in result.pages[0].blocks][-1] == "CONFIDENTIAL"


def test_powers_and_marks_of_notes_are_raised(engine: RapidEngine) -> None:
    page = (
        text(72, 740, "The area is 25 m")
        + text(157, 745, "2", 7)
        + text(162, 740, " and 10")
        + text(200, 745, "-6", 7)
        + paragraph(72, 690)
    )
    assert converted(pdf(page), engine).markdown.startswith("The area is 25 m² and 10⁻⁶")


def test_signs_inside_words_are_recognised_without_spaces(engine: RapidEngine) -> None:
    line = "Die 50%-Marke wurde um 12,5% und 3.75%ig verfehlt, 7%/8% von 100%."
    result = converted(pdf(text(72, 700, line, 9)), engine, "never")
    assert result.markdown == line


@pytest.mark.parametrize("sign", [",", ".", ";", ")"])
@pytest.mark.parametrize("rise", [-3, 5], ids=["lowered", "raised"])
def test_no_space_comes_between_an_index_and_a_sign(
    engine: RapidEngine, sign: str, rise: int
) -> None:
    page = text(72, 740, "Much CO") + text(117, 740 + rise, "2", 7)
    page += text(121, 740, f"{sign} and more") + paragraph(72, 690)
    index = "²" if rise > 0 else "2"
    assert converted(pdf(page), engine).markdown.startswith(f"Much CO{index}{sign} and more")


def test_a_word_after_an_index_is_a_word(engine: RapidEngine) -> None:
    page = text(72, 740, "Much CO") + text(117, 737, "2", 7) + text(124, 740, "and more")
    assert converted(pdf(page + paragraph(72, 690)), engine).markdown.startswith("Much CO2 and")


def test_each_note_below_a_text_is_a_paragraph(engine: RapidEngine) -> None:
    page = paragraph(72, 690)
    for number, note in enumerate(("A survey of the lake.", "A later edition of it.")):
        page += text(72, 104 - 12 * number, str(number + 1), 6)
        page += text(78, 100 - 12 * number, note, 9)
    assert converted(pdf(page), engine).markdown.endswith(
        "\n\n1 A survey of the lake.\n\n2 A later edition of it."
    )


def test_attachments_are_mentioned(engine: RapidEngine) -> None:
    content = pdf(
        text(72, 700, "Open this portfolio in Acrobat."),
        more=lambda objects: {
            "file": objects.add(
                "<< /Type /Filespec /F (a.txt) /EF << /F "
                f"{objects.stream('inner', '/Type /EmbeddedFile')} 0 R >> >>"
            )
        },
        catalog="/Names << /EmbeddedFiles << /Names [(a.txt) {file}] >> >>",
    )
    result = converted(content, engine)
    assert [(w.page, w.code, w.incomplete) for w in result.warnings] == [(1, "attachments", False)]
    assert result.status == "complete"
