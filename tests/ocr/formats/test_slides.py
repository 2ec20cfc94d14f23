"""PPTX: slides from the title down, with notes; hidden slides are told apart."""

from __future__ import annotations

import io

from pptx import Presentation

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


def test_links_and_stress_on_slides() -> None:
    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    frame = slide.placeholders[1].text_frame
    frame.text = "First"
    paragraph = frame.add_paragraph()
    for words, bold, address in (("Two", True, None), (" and ", None, None), ("a", None, "x")):
        run = paragraph.add_run()
        run.text, run.font.bold = words, bold
        if address:
            run.hyperlink.address = "https://example.org/"
    file = io.BytesIO()
    presentation.save(file)
    assert read(file.getvalue()).markdown == ("- First\n- **Two** and [a](https://example.org/)")


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
