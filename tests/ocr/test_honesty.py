"""What a page says about how it was read, and about what was seen and not read."""

from __future__ import annotations

from dataclasses import replace

from ocr.conversion.assembly import assemble
from ocr.conversion.convert import convert
from ocr.conversion.options import ConversionOptions
from ocr.conversion.result import PageResult, PageWarning
from ocr.engines.rapid.engine import RapidEngine
from ocr_testing.pages import HARBOUR, drawn, encoded, lines, scan

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
