"""Order, tables, titles and lines of pages that are not plain prose."""

from __future__ import annotations

import time
from difflib import SequenceMatcher

import pytest
from reportlab.pdfbase.pdfmetrics import stringWidth  # type: ignore[import-untyped]

from ocr.conversion.assembly import assemble
from ocr.conversion.convert import convert
from ocr.conversion_options import ConversionOptions
from ocr.engines.rapid.engine import RapidEngine
from ocr.geometry import Box
from ocr.layout.fields import with_fields
from ocr.layout.ruled_tables import ruled_tables
from ocr.text import Fragment, Means, Word, fragment
from ocr_testing.minimal_pdfs import paragraph, pdf, prose, rule, text
from ocr_testing.pages import HARBOUR, SURVEY, encoded, scan


def markdown_of(content: bytes, engine: RapidEngine) -> str:
    return assemble(list(convert(content, ConversionOptions(), engine)), engine.name).markdown


def cells(*rows: tuple[str, ...]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)


def test_upright_lines_in_the_head_alone_part_the_columns_below(engine: RapidEngine) -> None:
    page = "".join(rule(72, 700 - 20 * row, 432, 700 - 20 * row) for row in range(6))
    page += "".join(rule(x, 700, x, 680) for x in (72, 192, 272, 352, 432))
    page += rule(72, 700, 72, 600) + rule(432, 700, 432, 600)
    rows = (
        ("Country", "Domestic", "Imported", "Total"),
        ("Austria", "86.2", "13.8", "3,375"),
        ("Belgium", "0", "", "3,973"),
        ("Cyprus", "81.0", "3.8", "158"),
        ("Denmark", "3.1", "10.2", "1,662"),
    )
    for number, row in enumerate(rows):
        for x, shown in zip((80, 210, 290, 370), row, strict=True):
            page += text(x, 686 - 20 * number, shown, 10) if shown else ""
    assert markdown_of(pdf(page), engine) == cells(*rows)


@pytest.mark.parametrize("uprights", [(), (192,), (192, 332)])
def test_white_space_parts_what_no_upright_line_does(
    engine: RapidEngine, uprights: tuple[int, ...]
) -> None:
    page = "".join(rule(72, 700 - 20 * row, 432, 700 - 20 * row) for row in range(6))
    page += "".join(rule(x, 700, x, 600) for x in (72, *uprights, 432))
    rows = (
        ("Town", "Ships", "Tonnes"),
        ("Rorschach", "12", "3,400"),
        ("Bregenz", "", "1,220"),
        ("Lindau am See", "9", "880"),
        ("Friedrichshafen", "31", "12,010"),
    )
    for number, row in enumerate(rows):
        for x, shown in zip((80, 230, 350), row, strict=True):
            page += text(x, 686 - 20 * number, shown, 10) if shown else ""
    assert markdown_of(pdf(page), engine) == cells(*rows)


def test_a_currency_sign_is_no_column(engine: RapidEngine) -> None:
    page = "".join(rule(72, 700 - 20 * row, 332, 700 - 20 * row) for row in range(6))
    page += "".join(rule(x, 700, x, 600) for x in (72, 192, 332))
    rows = [("Item", "Price"), *((f"Part {number}", f"$ {number}1.20") for number in range(1, 5))]
    for number, (item, price) in enumerate(rows):
        page += text(80, 686 - 20 * number, item, 10)
        sign, _, amount = price.rpartition(" ")
        page += text(200, 686 - 20 * number, sign, 10) + text(280, 686 - 20 * number, amount, 10)
    assert markdown_of(pdf(page), engine) == cells(*rows)


def test_prose_in_a_box_with_rows_keeps_its_words_together(engine: RapidEngine) -> None:
    page = "".join(rule(72, 700 - 60 * row, 432, 700 - 60 * row) for row in range(6))
    page += "".join(rule(x, 700, x, 400) for x in (72, 162, 432))
    rows = [("Step", "What is done"), *((f"Step {number}", prose(1)) for number in range(1, 5))]
    for number, (step, what) in enumerate(rows):
        page += text(80, 686 - 60 * number, step, 10)
        words = what.split()
        page += text(170, 686 - 60 * number, " ".join(words[:8]), 10)
        page += text(170, 674 - 60 * number, " ".join(words[8:]), 10)
    assert markdown_of(pdf(page), engine) == cells(*rows)


def test_a_cell_that_spans_is_that_of_its_first_column(engine: RapidEngine) -> None:
    page = "".join(rule(72, y, 372, y) for y in (700, 680, 660, 640, 620))
    page += "".join(rule(x, 700, x, 620) for x in (72, 172, 372)) + rule(272, 680, 272, 620)
    page += text(76, 686, "Region") + text(280, 686, "Sales")
    rows = (("", "2023", "2024"), ("North", "10", "11"), ("South", "20", "21"))
    for number, row in enumerate(rows):
        for x, shown in zip((76, 176, 276), row, strict=True):
            page += text(x, 666 - 20 * number, shown) if shown else ""
    assert markdown_of(pdf(page), engine) == cells(("Region", "Sales", ""), *rows)


def test_a_table_without_rules_keeps_its_columns_under_a_head_that_spans(
    engine: RapidEngine,
) -> None:
    page = text(250, 700, "Postnatal Day 1") + text(420, 700, "Postnatal Day 4")
    rows = (
        ("Dose", "No.", "Weight", "Relative", "Weight", "Relative"),
        ("0", "39", "5.8", "", "8.8", ""),
        ("250", "30", "5.9", "102", "9.0", "102"),
        ("500", "33", "6.0", "103", "8.6", "98"),
        ("1,000", "31", "5.8", "100", "8.4", "96"),
    )
    for number, row in enumerate(rows):
        for x, shown in zip((72, 130, 230, 310, 400, 480), row, strict=True):
            page += text(x, 682 - 16 * number, shown, 10) if shown else ""
    content = pdf(paragraph(72, 760, 2) + page + paragraph(72, 560))
    table = cells(("", "", "Postnatal Day 1", "", "Postnatal Day 4", ""), *rows)
    assert markdown_of(content, engine) == f"{prose(2)}\n\n{table}\n\n{prose()}"


def test_a_head_of_three_levels_stands_above_its_columns(engine: RapidEngine) -> None:
    page = text(250, 700, "Year ended 31 December", 10)
    page += text(220, 686, "2023", 10) + text(400, 686, "2022", 10)
    rows = (
        ("", "Actual", "Budget", "Change", "Actual", "Budget", "Change"),
        ("Revenue", "1,200", "1,100", "9%", "1,050", "1,000", "5%"),
        ("Cost of sales", "(800)", "(780)", "3%", "(700)", "(690)", "1%"),
        ("Gross profit", "400", "320", "25%", "350", "310", "13%"),
    )
    for number, row in enumerate(rows):
        for x, shown in zip((72, 220, 270, 325, 400, 450, 505), row, strict=True):
            page += text(x, 672 - 14 * number, shown, 10) if shown else ""
    heads = (
        ("", "Year ended 31 December", "", "", "", "", ""),
        ("", "2023", "", "", "2022", "", ""),
    )
    assert markdown_of(pdf(page), engine) == cells(*heads, *rows)


def test_rows_that_no_line_parts_are_rows(engine: RapidEngine) -> None:
    page = "".join(rule(72, y, 432, y) for y in (700, 680, 600))
    page += "".join(rule(x, 700, x, 600) for x in (72, 192, 272, 352, 432))
    rows = (
        ("Region", "Sales", "Cost", "Profit"),
        ("North", "1,234", "900", "334"),
        ("South", "987", "1,020", "-33"),
        ("East", "12", "", "5"),
    )
    for number, row in enumerate(rows):
        for x, shown in zip((80, 210, 290, 370), row, strict=True):
            page += text(x, 686 - 20 * number, shown, 10) if shown else ""
    assert markdown_of(pdf(page), engine) == cells(*rows)


def test_lines_of_a_cell_are_no_rows(engine: RapidEngine) -> None:
    page = "".join(rule(72, y, 432, y) for y in (700, 680, 640))
    page += "".join(rule(x, 700, x, 640) for x in (72, 192, 432))
    page += text(80, 686, "Part", 10) + text(200, 686, "What it is for", 10)
    page += text(80, 666, "Bolt with a", 10) + text(200, 666, "It holds the wall of the inter-", 10)
    page += text(80, 652, "square head", 10) + text(
        200, 652, "mediate lock until it is rebuilt", 10
    )
    expected = cells(
        ("Part", "What it is for"),
        (
            "Bolt with a square head",
            "It holds the wall of the intermediate lock until it is rebuilt",
        ),
    )
    assert markdown_of(pdf(page), engine) == expected


def test_coloured_bands_are_no_table(engine: RapidEngine) -> None:
    lines = [
        "The committee met in the morning",
        "and talked about the budget of the",
        "coming year.",
    ]
    page = ""
    for number, line in enumerate(lines):
        page += f"0.9 g 70 {696 - 16 * number} 400 15 re f 0 g\n" + text(
            72, 700 - 16 * number, line
        )
    assert markdown_of(pdf(page), engine) == " ".join(lines)


def test_columns_of_a_scan_with_a_narrow_gutter_are_read_one_after_the_other(
    engine: RapidEngine,
) -> None:
    left, right = " ".join([HARBOUR, SURVEY] * 6), " ".join([SURVEY, HARBOUR] * 6)
    page = _justified(30, left) + _justified(266, right)
    markdown = markdown_of(encoded(scan(pdf(page), dpi=150)), engine)
    assert SequenceMatcher(None, markdown, f"{left} {right}", autojunk=False).ratio() > 0.98


@pytest.mark.parametrize("font", ["F1", "F3"])
def test_lines_that_say_nearly_the_same_have_no_gutters(font: str, engine: RapidEngine) -> None:
    lines = [f"Line {number} of a long log is as good as the last" for number in range(10, 22)]
    page = "".join(text(72, 740 - 16 * row, line, 11, font) for row, line in enumerate(lines))
    markdown = markdown_of(encoded(scan(pdf(page), dpi=150)), engine)
    assert markdown.replace("  \n", " ") == " ".join(lines)


def _justified(x: float, words: str) -> str:
    """Return a column of lines that are 230 points wide, and leave 6 points to the next one."""
    column, line = "", ""
    y = 740
    for word in words.split():
        if len(line) + len(word) > 48:
            space = (230 - stringWidth(line, "Helvetica", 10)) / line.count(" ")
            column += f"BT /F1 10 Tf {space:.3f} Tw 1 0 0 1 {x} {y} Tm ({line}) Tj 0 Tw ET\n"
            line, y = "", y - 12
        line = f"{line} {word}" if line else word
    return column + text(x, y, line, 10)


def test_choices_of_one_question_stay_on_its_line() -> None:
    def placed(shown: str, left: float, means: Means = "text_layer") -> Fragment:
        box = Box(left, 100, left + 6 * len(shown), 112)
        return fragment([Word(shown, box, 11)], "text_layer", means)

    pieces = [placed("Colour:", 60), placed("Red", 160), placed("Green", 240)]
    fields = [placed("[ ]", 138, "form_field"), placed("[x]", 218, "form_field")]
    joined = with_fields([*pieces, *fields])
    assert [piece.text for piece in joined] == ["Colour: [ ] Red [x] Green"]


def test_numbered_titles_are_no_running_headers(engine: RapidEngine) -> None:
    titles = ["Step 1", "Step 2", "Step 3", "Step 4"]
    pages = [text(72, 740, title, 24, "F2") + paragraph(72, 650) for title in titles]
    markdown = markdown_of(pdf(*pages), engine)
    assert [line for line in markdown.splitlines() if line.startswith("#")] == [
        f"# {title}" for title in titles
    ]


def test_what_repeats_is_kept_where_it_comes_first(engine: RapidEngine) -> None:
    head = text(72, 755, "Ada Example GmbH, Musterweg 1, 12345 Berlin")
    head += text(72, 741, "Invoice 4711")
    markdown = markdown_of(pdf(head + paragraph(72, 650), head + paragraph(72, 650)), engine)
    assert markdown.count("Ada Example GmbH") == markdown.count("4711") == 1
    numbers = [text(300, 40, str(page), 9) + paragraph(72, 650) for page in (7, 8, 9)]
    assert markdown_of(pdf(*numbers), engine) == "\n\n".join([prose()] * 3)


@pytest.mark.parametrize("title", ["CIVIL", "MIX", "4711"])
def test_a_title_is_no_page_number(engine: RapidEngine, title: str) -> None:
    content = pdf(text(72, 745, title, 24, "F2") + paragraph(72, 650))
    assert markdown_of(content, engine) == f"# {title}\n\n{prose()}"


def test_bold_letters_are_no_page_number(engine: RapidEngine) -> None:
    content = pdf(text(72, 760, "LIV", 11, "F2") + paragraph(72, 600))
    assert markdown_of(content, engine) == f"# LIV\n\n{prose()}"


def test_the_only_text_of_a_page_is_no_page_number(engine: RapidEngine) -> None:
    assert markdown_of(pdf(text(300, 760, "4711")), engine) == "4711"


def test_a_listing_keeps_its_lines_and_indents(engine: RapidEngine) -> None:
    listing = [
        "def area(width, height):",
        "    if width < 0:",
        '        raise ValueError("width")',
        "    return width * height",
        "",
        "print(area(2, 3))  # prints 6",
    ]
    code = "".join(text(72, 640 - 12 * row, line, 10, "F3") for row, line in enumerate(listing))
    content = pdf(paragraph(72, 740) + code + paragraph(72, 540))
    fenced = "\n".join(["```", *listing, "```"])
    assert markdown_of(content, engine) == f"{prose()}\n\n{fenced}\n\n{prose()}"


def test_lines_that_were_ended_on_purpose_stay_lines(engine: RapidEngine) -> None:
    address = ["Ms", "Pia Rutschmann", "Marktgasse 28", "9400 Rorschach"]
    page = "".join(text(72, 740 - 13 * row, line) for row, line in enumerate(address))
    markdown = markdown_of(pdf(page + paragraph(72, 640)), engine)
    assert markdown == "  \n".join(address) + f"\n\n{prose()}"


def test_wrapped_bullets_larger_than_small_print_are_no_headings(engine: RapidEngine) -> None:
    page = text(60, 500, "•", 24) + text(80, 500, "A harbour is restored in the spring of", 24)
    page += text(80, 472, "the year that comes", 24) + paragraph(60, 300, 4, 9, 100)
    markdown = markdown_of(pdf(page, box=(0, 0, 720, 540)), engine)
    assert markdown.startswith("- A harbour is restored in the spring of the year that comes")


def test_numbers_of_lines_are_no_column(engine: RapidEngine) -> None:
    lines = [
        "Q. Where were you on that evening when the",
        "lights went out in the whole of the street?",
        "A. I was at home with my sister, and we were",
        "reading a book about the history of Rome.",
        "Q. Did anybody see you there, apart from",
        "your sister?",
    ]
    page = "".join(
        text(50, 740 - 14 * row, str(row + 1), 9) + text(90, 740 - 14 * row, line)
        for row, line in enumerate(lines)
    )
    markdown = markdown_of(pdf(page), engine)
    assert "street?" in markdown
    assert "|" not in markdown
    assert "1" not in markdown


def test_numbers_of_every_fifth_line_are_no_text(engine: RapidEngine) -> None:
    lines = [f"and line {word} goes on to say" for word in "abcdefghijk"]
    page = "".join(text(90, 740 - 15 * row, line) for row, line in enumerate(lines))
    page += text(66, 740 - 15 * 4, "5", 8) + text(62, 740 - 15 * 9, "10", 8)
    assert markdown_of(pdf(page), engine) == " ".join(lines)


def test_what_is_larger_than_one_page_but_not_than_the_document_is_no_heading(
    engine: RapidEngine,
) -> None:
    notes = text(72, 740, "Yours sincerely,") + paragraph(72, 200, 6, 8)
    markdown = markdown_of(pdf(paragraph(72, 740, 12), paragraph(72, 740, 12), notes), engine)
    assert "Yours sincerely," in markdown
    assert "#" not in markdown


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a cross-section of a cross-", "section"], "a cross-section of a cross-section"),
        (
            ["the 19th-", "century e-", "mail was a re-", "port"],
            "the 19th-century e-mail was a report",
        ),
        (["Ein- und Aus-", "gang, Hin-", "und Rückweg"], "Ein- und Ausgang, Hin- und Rückweg"),
        (["Ms Schmidt-", "Wagner had COVID-", "19"], "Ms Schmidt-Wagner had COVID-19"),
        (["the INTER-", "NATIONAL law"], "the INTERNATIONAL law"),
    ],
)
def test_hyphens_at_the_ends_of_lines(lines: list[str], expected: str, engine: RapidEngine) -> None:
    page = "".join(text(72, 740 - 14 * row, line) for row, line in enumerate(lines))
    assert markdown_of(pdf(page, paragraph(72, 700)), engine) == f"{expected}\n\n{prose()}"


def test_a_compound_keeps_its_hyphen_at_the_end_of_a_line(engine: RapidEngine) -> None:
    page = "".join(
        text(72, 740 - 14 * row, line)
        for row, line in enumerate(
            [
                "The state-of-the-",
                "art method is used in long-",
                "term studies of inter-",
                "national",
            ]
        )
    )
    markdown = markdown_of(pdf(page), engine)
    assert markdown == "The state-of-the-art method is used in long-term studies of international"


def test_time_does_not_grow_with_the_square_of_the_lines(engine: RapidEngine) -> None:
    boxes = [(36 + 9 * (i % 60), 40 + 9 * (i // 60)) for i in range(4_500)]
    page = "".join(f"{x} {y} 7 7 re S\n" for x, y in boxes)
    content = pdf(page + text(72, 760, "A form with thousands of boxes"))
    started = time.process_time()
    assert markdown_of(content, engine) == "A form with thousands of boxes"
    assert time.process_time() - started < 2.0


def test_a_drawn_line_between_two_words_parts_them_however_near() -> None:
    rules = [Box(0, y, 100, y) for y in (0, 20, 40)]
    rules += [Box(x, 0, x, 40) for x in (0, 50, 100)]
    words = [Word("left", Box(30, 5, 49, 15), 10), Word("right", Box(51, 5, 70, 15), 10)]
    below = [Word("a", Box(10, 25, 20, 35), 10)]
    tables, left_over = ruled_tables(
        rules, [fragment(words, "text_layer"), fragment(below, "text_layer")]
    )
    assert [table.rows for table in tables] == [(("left", "right"), ("a", ""))]
    assert left_over == []


def test_a_table_of_contents_is_read_line_by_line(engine: RapidEngine) -> None:
    dots = " ".join("." * 40)
    page = text(72, 720, "Contents", 18, "F2")
    entries = (("1", "Introduction", "1"), ("2.1", "Naming", "3"), ("A.1", "Licence", "24"))
    for number, (section, title, leaf) in enumerate(entries):
        y = 680 - 18 * number
        page += text(72, y, section) + text(102, y, f"{title} {dots}") + text(420, y, leaf)
    listed = "\n\n".join(f"{section} {title} {dots} {leaf}" for section, title, leaf in entries)
    content = pdf(page + paragraph(72, 560))
    assert markdown_of(content, engine) == f"# Contents\n\n{listed}\n\n{prose()}"


def test_a_number_that_ends_a_sentence_on_a_line_of_its_own_is_no_item(engine: RapidEngine) -> None:
    page = text(72, 720, "- The default value of the priority is 50, and the maximum of it is")
    page += text(80, 706, "100.") + text(72, 692, "- The next item follows after it.")
    assert markdown_of(pdf(page), engine) == (
        "- The default value of the priority is 50, and the maximum of it is 100.\n"
        "- The next item follows after it."
    )


def test_letters_are_items_only_in_an_alphabet(engine: RapidEngine) -> None:
    said = ("Q. Did you see the ship?", "A. Yes, I did, at nine.", "Q. Who was with you?")
    page = "".join(text(72, 720 - 14 * number, line) for number, line in enumerate(said))
    assert markdown_of(pdf(page), engine) == "\n\n".join(said)

    items = ("A. The ship is sold.", "B. The crane is leased.", "C. The pier is mended.")
    page = "".join(text(72, 720 - 14 * number, line) for number, line in enumerate(items))
    assert markdown_of(pdf(page), engine) == "\n".join(f"- {item}" for item in items)

    named = ("The report was written by the committee, whose head was", "J. Larsen of Bergen.")
    page = "".join(text(72, 720 - 14 * number, line) for number, line in enumerate(named))
    assert markdown_of(pdf(page), engine) == " ".join(named)


@pytest.mark.parametrize("step", [10, 14])
def test_marks_below_each_other_are_no_words(engine: RapidEngine, step: int) -> None:
    rows = [tuple("ABCD"[(row + column) % 4] for column in range(8)) for row in range(5)]
    page = "".join(rule(77, 612 - 16 * row, 77 + 8 * step, 612 - 16 * row) for row in range(6))
    page += "".join(rule(77 + step * column, 612, 77 + step * column, 532) for column in range(9))
    for number, row in enumerate(rows):
        for column, mark in enumerate(row):
            page += text(80 + step * column, 600 - 16 * number, mark, 10)
    assert markdown_of(pdf(page), engine) == cells(*rows)
