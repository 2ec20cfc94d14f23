"""PPTX: slides from the title down, with notes; hidden slides are told apart."""

from __future__ import annotations

from ocr.engines.rapid.engine import RapidEngine
from ocr.engines.settings import RapidSettings
from ocr_testing.office import part, repacked, slides
from ocr_testing.reading import blocks_of, read


def test_slides_as_markdown() -> None:
    result = read(slides(), RapidEngine(RapidSettings()))
    assert result.markdown == (
        "# Harbour at a glance\n\n- Two piers\n   - one of them closed\n\nSketch of the pier\n\n"
        "> Mention the ferry.\n\n# Depths\n\n"
        "| Place | Depth |\n| --- | --- |\n| North pier | 3.4 |\n| South pier | 12.75 |\n\n"
        "|  | Boats |\n| --- | --- |\n| 2023 | 12 |\n| 2024 | 17 |"
    )
    assert result.page_count == 3
    assert (result.pages[0].width, result.pages[0].height) == (720, 540)


def test_notes_and_hidden_slides_are_told_apart() -> None:
    result = read(slides())
    assert blocks_of(result, "speaker_notes") == ["Mention the ferry."]
    assert blocks_of(result, "hidden") == ["Never shown"]


def test_a_damaged_slide_fails_and_the_others_are_read() -> None:
    content = slides()
    name = "ppt/slides/slide2.xml"
    result = read(repacked(content, {name: part(content, name)[:300]}))
    assert result.status == "partial"
    assert [(error.page, error.code) for error in result.errors] == [(2, "page_broken")]
    assert "Two piers" in result.markdown
