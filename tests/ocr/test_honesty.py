"""What a page says about how it was read, and about what was seen and not read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ocr.conversion.account import accounted
from ocr.conversion.assembly import assemble
from ocr.conversion.convert import convert
from ocr.conversion.result import PageResult, failed_page
from ocr.conversion_options import ConversionOptions
from ocr.engines.rapid.engine import RapidEngine
from ocr.errors import PageBroken
from ocr.geometry import Box
from ocr.layout.block import Block
from ocr.page_warning import PageWarning
from ocr_testing.pages import HARBOUR, SURVEY, drawn, encoded, lines, scan

WORDS = "The channel had moved."


def test_a_page_says_by_which_means_it_was_read(engine: RapidEngine) -> None:
    letters = len(WORDS.replace(" ", ""))
    layer = assemble(list(convert(drawn(lines(WORDS)), ConversionOptions(), engine)), "x")
    assert layer.pages[0].read_by == {"text_layer": letters}
    assert layer.pages[0].confidence is None
    image = encoded(scan(drawn(lines(WORDS, size=16))))
    read = assemble(list(convert(image, ConversionOptions(), engine)), "x")
    assert read.pages[0].read_by == {"ocr": letters}
    assert read.pages[0].confidence is not None
    assert read.pages[0].confidence > 0.9
    assert (read.status, read.warnings, read.pages[0].unread_areas) == ("complete", [], [])


def test_a_page_that_lacks_text_makes_the_document_partial(engine: RapidEngine) -> None:
    pages = list(convert(drawn(lines(HARBOUR), lines(HARBOUR)), ConversionOptions(), engine))
    pages[1] = _warned(pages[1], incomplete=False)
    assert assemble(pages, "x").status == "complete"
    pages[1] = _warned(pages[1], incomplete=True)
    result = assemble(pages, "x")
    assert result.status == "partial"
    assert [(w.page, w.code, w.incomplete) for w in result.warnings] == [(2, "unread_areas", True)]
    assert result.errors == []


def _warned(page: PageResult, incomplete: bool) -> PageResult:
    return replace(page, warnings=(PageWarning("unread_areas", "a line is missing", incomplete),))


def test_a_script_that_the_engine_does_not_know_is_not_read_as_noise(engine: RapidEngine) -> None:
    image = scan(drawn(lines("")), dpi=100)
    canvas = ImageDraw.Draw(image)
    for row in range(12):
        _scribble(canvas, 60 + 60 * row)
    result = assemble(list(convert(encoded(image, dpi=100), ConversionOptions(), engine)), "x")
    assert result.status == "partial"
    assert [warning.incomplete for warning in result.warnings] == [True]
    assert result.warnings[0].code in ("script_unknown", "unread_areas", "low_confidence")
    assert result.pages[0].unread_areas
    assert result.pages[0].unread_share > 0.2


@pytest.mark.parametrize(
    ("recognised", "codes"),
    [
        ("επιτροπη συνεδριασε", ["script_unknown"]),
        ("the angles β, δ and λ are those of the figure above", []),
    ],
)
def test_greek_is_not_passed_off_as_read(recognised: str, codes: list[str]) -> None:
    block = Block("paragraph", recognised, Box(0, 0, 100, 10), "ocr", confidence=0.95)
    page = failed_page(1, PageBroken("it is replaced"))
    page = replace(page, source="ocr", blocks=(block,), confidence=0.95, error=None)
    assert [warning.code for warning in accounted(page, ()).warnings] == codes


def test_lines_to_write_on_and_rules_are_no_text_that_was_not_read(engine: RapidEngine) -> None:
    image = scan(drawn(lines("Name: ____________________", "Price ............. 12", size=14)))
    canvas = ImageDraw.Draw(image)
    canvas.line((60, 700, 1_100, 700), 0, 3)
    canvas.rectangle((100, 900, 500, 1_100), outline=0, width=4)
    result = assemble(list(convert(encoded(image), ConversionOptions(), engine)), "x")
    assert (result.status, result.warnings) == ("complete", [])


def _scribble(canvas: ImageDraw.ImageDraw, y: int) -> None:
    """Draw what looks like a line of some script."""
    for index in range(32):
        x = 70 + index * 18 + (index // 5) * 12
        canvas.arc((x, y, x + 12, y + 16), (index * 37) % 360, (index * 37) % 360 + 240, 0, 2)
        canvas.line((x + (index % 7), y, x + 12 - (index % 5), y + 18), 0, 2)


def test_a_photograph_is_no_text_that_was_not_read(engine: RapidEngine) -> None:
    _assert_complete(_landscape(), engine)


def test_a_halftone_is_no_text_that_was_not_read(engine: RapidEngine) -> None:
    # 1 bit and dots of several sizes, as newspapers print photographs.
    grey = _landscape().convert("L").resize((300, 200))
    _assert_complete(grey.convert("1").resize((900, 600)), engine)


def _assert_complete(picture: Image.Image, engine: RapidEngine) -> None:
    page = scan(drawn(lines(HARBOUR[:60], SURVEY[:60], size=14)))
    page.paste(picture.convert("RGB"), (160, 500))
    result = assemble(list(convert(encoded(page), ConversionOptions(), engine)), "x")
    assert (result.status, result.warnings) == ("complete", [])
    assert HARBOUR[:40] in result.markdown


def _landscape() -> Image.Image:
    """Return a picture with what photographs have: slopes, edges, grain, and much fine detail."""
    random = np.random.default_rng(7)
    height, width = 600, 900
    layers = np.zeros((height, width))
    for side in (4, 12, 40, 120):
        grains = Image.fromarray(random.integers(0, 255, (side, side * 2), dtype=np.uint8))
        layers += np.asarray(grains.resize((width, height), Image.Resampling.BICUBIC)) / side**0.3
    layers = 255 * (layers - layers.min()) / (layers.max() - layers.min())
    image = Image.fromarray(layers.astype(np.uint8))
    canvas = ImageDraw.Draw(image)
    for tree in range(30):
        x, foot = int(random.integers(0, width)), int(random.integers(350, height))
        canvas.line((x, foot, x + int(random.integers(-9, 9)), foot - 160), 20, 4 + tree % 5)
        canvas.ellipse((x - 30, foot - 220, x + 30, foot - 130), outline=40, width=3)
    return image
