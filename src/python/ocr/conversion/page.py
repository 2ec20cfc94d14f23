"""Converts one page. What it needs is in its arguments, so pages do not depend on each other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from ocr.conversion.options import ConversionOptions
from ocr.conversion.result import PageError, PageResult
from ocr.deadline import Deadline
from ocr.documents.document import Document, PageImage, SourcePage
from ocr.engines.engine import LinesReading, MarkdownReading, OcrEngine
from ocr.engines.rules import drawn_rules
from ocr.errors import PageFailed
from ocr.geometry import Box
from ocr.layout.block import Block
from ocr.layout.page_layout import lay_out
from ocr.text import Fragment, Word, fragment
from ocr.text_layer.layer import TextLayer
from ocr.text_layer.placing import turned
from ocr.text_layer.sample import says_the_same
from ocr.text_layer.verdict import Trust, Verdict, judged

_POINTS = 72.0
_TYPE_SIZE = 0.72
"""The size of type in lines that are this much higher: detection leaves room above and below."""


def convert_page(
    document: Document, number: int, options: ConversionOptions, engine: OcrEngine
) -> PageResult:
    """Return a page as blocks. A page that fails is a result as well, with its error."""
    started = time.monotonic()
    deadline = Deadline.after(options.limits.seconds)
    try:
        page = document.page(number)
        result = _Conversion(page, options, engine, deadline).result()
        deadline.remaining()
    except PageFailed as error:
        result = failed_page(number, error)
    return _timed(result, time.monotonic() - started)


def failed_page(number: int, error: PageFailed) -> PageResult:
    """Return the result of a page that could not be read."""
    return PageResult(
        number=number,
        source=None,
        mixed=False,
        reason="",
        width=0.0,
        height=0.0,
        rotation=0,
        skew=0.0,
        blocks=(),
        seconds=0.0,
        error=PageError(error.code, str(error)),
    )


def _timed(result: PageResult, seconds: float) -> PageResult:
    return replace(result, seconds=seconds)


class _Conversion:
    """One page on its way."""

    def __init__(
        self, page: SourcePage, options: ConversionOptions, engine: OcrEngine, deadline: Deadline
    ) -> None:
        self._page = page
        self._options = options
        self._engine = engine
        self._deadline = deadline

    def result(self) -> PageResult:
        """Return the page.

        Raises:
            PageFailed: it cannot be read to its end.
        """
        layer = None if self._options.text_layer == "never" else self._page.text_layer()
        if layer is None:
            return self._recognised(
                "its text layer is not asked for"
                if self._options.text_layer == "never"
                else "it is an image"
            )
        verdict = self._verdict(layer)
        if verdict.trust == "ocr":
            return self._recognised(verdict.reason)
        if verdict.trust == "mixed" and not self._engine.whole_pages:
            return self._completed(layer, verdict)
        return self._from_layer(layer, layer.fragments, verdict.reason)

    def _verdict(self, layer: TextLayer) -> Verdict:
        if self._options.text_layer == "always":
            return Verdict("text_layer", "its text layer is asked for")
        verdict = judged(layer)
        if verdict.trust != "doubtful":
            return verdict
        if layer.quarters == 0 and says_the_same(
            layer.fragments, self._page.image(), self._engine, self._deadline
        ):
            trust: Trust = "mixed" if verdict.pictures else "text_layer"
            return Verdict(trust, "a sample of it reads as its text says", verdict.pictures)
        return Verdict("ocr", verdict.reason)

    def _from_layer(
        self, layer: TextLayer, fragments: Sequence[Fragment], reason: str
    ) -> PageResult:
        sources = {piece.source for piece in fragments}
        return PageResult(
            number=self._page.number,
            source="ocr" if "ocr" in sources else "text_layer",
            mixed=len(sources) > 1,
            reason=reason,
            width=layer.width,
            height=layer.height,
            rotation=layer.quarters * 90,
            skew=0.0,
            blocks=tuple(lay_out(fragments, layer.rules, layer.width, layer.height)),
            seconds=0.0,
        )

    def _completed(self, layer: TextLayer, verdict: Verdict) -> PageResult:
        """Return the layer's text with that of the pictures in its places."""
        image = self._page.image()
        found = list(layer.fragments)
        for picture in verdict.pictures:
            found.extend(self._read_picture(image, picture, layer))
        reason = (
            verdict.reason if len(found) > len(layer.fragments) else "its pictures have no text"
        )
        return self._from_layer(layer, found, reason)

    def _read_picture(self, image: PageImage, picture: Box, layer: TextLayer) -> list[Fragment]:
        scale = image.dpi / _POINTS
        back = -layer.quarters % 4
        shown = turned(picture, back, layer.width, layer.height).scaled(scale)
        height, width = image.pixels.shape[:2]
        area = shown.clipped(Box(0, 0, width, height))
        left, top = int(area.left), int(area.top)
        cut = image.pixels[top : int(area.bottom), left : int(area.right)]
        if not cut.size:
            return []
        reading = self._engine.read(cut, self._deadline)
        if not isinstance(reading, LinesReading) or not reading.lines:
            return []
        if reading.quarters or layer.quarters:
            # Turned pictures keep their own order, one line below the other, in their place.
            factor = min(picture.width / reading.width, picture.height / reading.height)
            return _fragments(reading, factor, picture.left, picture.top)
        return _fragments(reading, 1 / scale, left / scale, top / scale)

    def _recognised(self, reason: str) -> PageResult:
        image = self._page.image()
        self._deadline.remaining()
        reading = self._engine.read(image.pixels, self._deadline)
        if isinstance(reading, MarkdownReading):
            return self._markdown_page(image, reading, reason)
        scale = _POINTS / image.dpi
        width, height = reading.width * scale, reading.height * scale
        rules = [rule.scaled(scale) for rule in drawn_rules(reading.upright)]
        blocks = lay_out(_fragments(reading, scale, 0, 0), rules, width, height)
        return PageResult(
            number=self._page.number,
            source="ocr",
            mixed=False,
            reason=reason,
            width=width,
            height=height,
            rotation=reading.quarters * 90,
            skew=round(reading.skew, 2),
            blocks=tuple(blocks),
            seconds=0.0,
        )

    def _markdown_page(self, image: PageImage, reading: MarkdownReading, reason: str) -> PageResult:
        scale = _POINTS / image.dpi
        height, width = image.pixels.shape[:2]
        block = Block("markdown", reading.markdown, None, "ocr")
        return PageResult(
            number=self._page.number,
            source="ocr",
            mixed=False,
            reason=reason,
            width=width * scale,
            height=height * scale,
            rotation=0,
            skew=0.0,
            blocks=(block,) if reading.markdown else (),
            seconds=0.0,
        )


def _fragments(reading: LinesReading, scale: float, left: float, top: float) -> list[Fragment]:
    """Return what was read, in points of the page."""
    found = []
    for line in reading.lines:
        words = [
            Word(
                word.text,
                word.box.scaled(scale).moved(left, top),
                line.box.height * scale * _TYPE_SIZE,
                confidence=word.confidence,
            )
            for word in line.words
        ]
        found.append(fragment(words, "ocr"))
    return found
