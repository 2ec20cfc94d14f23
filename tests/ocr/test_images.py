"""Images of every format that users bring, and what is wrong with some of them."""

from __future__ import annotations

import io
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin
from reportlab.lib.pagesizes import A0  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from ocr.conversion.assembly import DocumentResult, assemble
from ocr.conversion.convert import convert
from ocr.conversion_options import ConversionOptions, Limits
from ocr.documents.images import ImageDocument
from ocr.engines.rapid.engine import RapidEngine
from ocr.errors import DocumentRefused, PageTooLarge
from ocr_testing.heic import HEIC
from ocr_testing.office import picture_of
from ocr_testing.pages import HARBOUR, drawn, lines, pictured, scan

OPTIONS = ConversionOptions()


def page(text: str = "Invoice number 4711") -> Image.Image:
    """Return a picture of a line of text."""
    return Image.open(io.BytesIO(picture_of(text))).convert("RGB")


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def read(content: bytes, engine: RapidEngine, limits: Limits = OPTIONS.limits) -> DocumentResult:
    return assemble(list(convert(content, replace(OPTIONS, limits=limits), engine)), "rapidocr")


@pytest.mark.parametrize("format", ["GIF", "BMP", "JPEG2000", "AVIF", "WEBP", "PNG", "TIFF"])
def test_formats_that_users_bring(format: str, engine: RapidEngine) -> None:
    result = read(saved(page(), format), engine)
    assert (result.status, result.markdown) == ("complete", "Invoice number 4711")


def test_a_photo_of_a_phone(engine: RapidEngine) -> None:
    result = read(b64decode(HEIC), engine)
    assert result.status == "complete"
    assert "Harbour office, room 12" in result.markdown
    assert "Open from nine to five" in result.markdown


def test_what_only_begins_like_a_bitmap_is_text(engine: RapidEngine) -> None:
    assert read(b"BM is what this text begins with.", engine).markdown.startswith("BM is what")


def test_a_preview_beside_the_picture_is_no_page(engine: RapidEngine) -> None:
    image = page()
    preview = image.resize((310, 45))
    content = saved(image, "MPO", save_all=True, append_images=[preview])
    assert getattr(Image.open(io.BytesIO(content)), "n_frames", 1) == 2
    result = read(content, engine)
    assert (result.page_count, result.markdown) == (1, "Invoice number 4711")
    assert result.warnings == []


def test_a_thumbnail_in_a_tiff_file_is_no_page(engine: RapidEngine) -> None:
    file = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(file, True) as frames:
        small = TiffImagePlugin.ImageFileDirectory_v2()
        small[254] = 1
        page().resize((160, 24)).save(frames, format="TIFF", tiffinfo=small)
        frames.newFrame()
        page().save(frames, format="TIFF")
        frames.newFrame()
        page("The second page").save(frames, format="TIFF")
        frames.newFrame()
    result = read(file.getvalue(), engine)
    assert result.page_count == 2
    assert result.markdown == "Invoice number 4711\n\nThe second page"


def test_of_an_animation_the_first_picture_is_read(engine: RapidEngine) -> None:
    result = read(saved(page(), "GIF", save_all=True, append_images=[page("Other")]), engine)
    assert (result.status, result.markdown) == ("complete", "Invoice number 4711")
    assert [(w.code, w.incomplete) for w in result.warnings] == [("first_picture_only", False)]


@pytest.mark.parametrize("text_is", ["white", "black"])
def test_letters_on_a_transparent_ground_are_seen(text_is: str, engine: RapidEngine) -> None:
    ink = ImageOps.invert(page().convert("L"))
    image = Image.new("RGBA", ink.size, text_is)
    image.putalpha(ink)
    assert read(saved(image, "PNG"), engine).markdown == "Invoice number 4711"


def tall() -> Image.Image:
    image = Image.new("RGB", (620, 900), "white")
    image.paste(page("Above the tear"), (0, 0))
    noise = np.random.default_rng(1).integers(0, 255, (500, 620, 3), dtype=np.uint8)
    image.paste(Image.fromarray(noise), (0, 400))
    return image


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_what_there_is_of_a_truncated_picture_is_read(format: str, engine: RapidEngine) -> None:
    whole = saved(tall(), format)
    result = read(whole[: len(whole) * 6 // 10], engine)
    assert "Above the tear" in result.markdown
    assert result.status == "partial"
    (warning,) = (w for w in result.warnings if w.code == "picture_truncated")
    assert warning.incomplete


def test_a_picture_of_which_nothing_is_there_fails(engine: RapidEngine) -> None:
    whole = saved(tall(), "PNG")
    result = read(whole[:80], engine)
    assert (result.status, result.errors[0].code) == ("failed", "page_broken")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "JPEG2000"])
def test_too_many_pixels_are_read_at_a_lower_resolution(format: str, engine: RapidEngine) -> None:
    image = page("A3 at 600 dpi").resize((2480, 360))
    result = read(saved(image, format), engine, Limits(pixels=600_000))
    assert (result.status, result.markdown) == ("complete", "A3 at 600 dpi")
    assert [(w.code, w.incomplete) for w in result.warnings] == [("resolution_reduced", False)]


def test_places_are_the_same_at_a_lower_resolution(engine: RapidEngine) -> None:
    content = saved(page("A3 at 600 dpi").resize((2480, 360)), "PNG", dpi=(600, 600))
    whole, less = read(content, engine), read(content, engine, Limits(pixels=500_000))
    first, second = whole.pages[0], less.pages[0]
    assert (first.width, first.height) == pytest.approx((second.width, second.height), rel=0.01)
    assert first.blocks[0].box == pytest.approx(second.blocks[0].box, abs=3)


def test_what_cannot_be_decoded_within_the_limit_fails() -> None:
    content = saved(Image.new("RGB", (4000, 4000)), "PNG")
    with (
        ImageDocument(content, Limits(pixels=1_000_000)) as document,
        pytest.raises(PageTooLarge, match="--max-pixels"),
    ):
        document.page(1).image()


def test_a_large_pdf_page_is_rendered_at_a_lower_resolution(engine: RapidEngine) -> None:
    content = drawn(lines("POSTER", size=90, top=400))
    options = replace(OPTIONS, text_layer="never", limits=Limits(pixels=500_000))
    result = assemble(list(convert(content, options, engine)), "rapidocr")
    assert result.markdown.strip("# ") == "POSTER"
    assert [w.code for w in result.warnings] == ["resolution_reduced"]
    assert result.pages[0].width == pytest.approx(595, abs=3)


def test_a_pdf_file_without_pages_says_so(engine: RapidEngine) -> None:
    content = (
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R/Size 3>>\n%%EOF\n"
    )
    with pytest.raises(DocumentRefused, match="it has no pages"):
        read(content, engine)


def test_the_text_of_a_page_outlives_a_picture_that_cannot_be_read(engine: RapidEngine) -> None:
    picture = scan(drawn(lines("Seen in a picture.", size=40)), dpi=50)

    def draw(canvas: Canvas) -> None:
        lines(HARBOUR[:60])(canvas)
        pictured(picture, 60, 300, 300)(canvas)

    options = replace(OPTIONS, limits=Limits(pixels=10_000))
    result = assemble(list(convert(drawn(draw), options, engine)), "rapidocr")
    assert result.markdown == HARBOUR[:60]
    assert (result.status, result.errors) == ("partial", [])
    assert [(w.code, w.incomplete) for w in result.warnings] == [("picture_failed", True)]


def test_a_scan_as_large_as_a_plan_is_read_at_the_resolution_that_fits(engine: RapidEngine) -> None:
    plan = scan(drawn(lines("Harbour, ground plan", size=30, top=300)), dpi=50)
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A0)
    canvas.drawInlineImage(plan, 0, 0, *A0)
    canvas.save()
    options = replace(OPTIONS, limits=Limits(pixels=3_000_000))
    result = assemble(list(convert(file.getvalue(), options, engine)), "rapidocr")
    assert (result.status, result.markdown.strip("# ")) == ("complete", "Harbour, ground plan")
    assert [w.code for w in result.warnings] == ["resolution_reduced"]
