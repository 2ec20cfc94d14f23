"""Converts one page. What it needs is in its arguments, so pages do not depend on each other."""

from __future__ import annotations

import time
from dataclasses import replace

from ocr.conversion.account import accounted
from ocr.conversion.layer_page import fallback_of, from_layer
from ocr.conversion.layer_sample import says_the_same
from ocr.conversion.reading import PageToRead, fragments_of, read_page
from ocr.conversion.result import PageResult, failed_page
from ocr.conversion.structured import read_structured
from ocr.conversion_options import ConversionOptions
from ocr.deadline import Deadline
from ocr.documents.document import Document, PageImage, SourcePage
from ocr.engines.engine import LinesReading, OcrEngine
from ocr.errors import PageFailed
from ocr.formats.content import StructuredPage
from ocr.geometry import Box
from ocr.page_warning import PageWarning
from ocr.text import Fragment
from ocr.text_layer.layer import TextLayer
from ocr.text_layer.placing import turned
from ocr.text_layer.verdict import Trust, Verdict, judged

_POINTS = 72.0
_NO_LAYER = ("it is an image", "its text layer is not asked for")
_INK = 24
"""Levels of grey, of 255, between the lightest and the darkest pixel unless a page is blank."""


def convert_page(
    document: Document, number: int, options: ConversionOptions, engine: OcrEngine
) -> PageResult:
    """Return a page as blocks. A page that fails is a result as well, with its error."""
    started = time.monotonic()
    deadline = Deadline.after(options.limits.seconds)
    begun: PageResult | PageToRead
    try:
        page = document.page(number)
        if isinstance(page, StructuredPage):
            begun = read_structured(page, options.limits, engine, deadline)
        else:
            begun = _Conversion(page, options, engine, deadline).begun()
            if not (isinstance(begun, PageResult) and begun.warnings):
                deadline.remaining()
    except PageFailed as error:
        begun = failed_page(number, error)
    if isinstance(begun, PageResult):
        return replace(begun, seconds=time.monotonic() - started)
    return read_page(begun, engine)


class _Conversion:
    """One page on its way."""

    def __init__(
        self, page: SourcePage, options: ConversionOptions, engine: OcrEngine, deadline: Deadline
    ) -> None:
        self._page = page
        self._options = options
        self._engine = engine
        self._deadline = deadline

    def begun(self) -> PageResult | PageToRead:
        """Return the page as far as it goes without reading all of it.

        Raises:
            PageFailed: it cannot be read to its end.
        """
        layer = None if self._options.text_layer == "never" else self._page.text_layer()
        if layer is None:
            return self._to_read(_NO_LAYER[self._options.text_layer == "never"])
        verdict = self._verdict(layer)
        if verdict.trust == "ocr":
            return self._read_instead(layer, verdict.reason)
        if verdict.trust == "mixed":
            return self._completed(layer, verdict)
        hidden = layer.hidden if self._options.text_layer == "always" else ()
        if not layer.characters and not layer.over.fragments and not hidden:
            return self._without_text(layer)
        pieces = (*layer.fragments, *hidden)
        return from_layer(self._page.number, layer, pieces, verdict.reason)

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

    def _without_text(self, layer: TextLayer) -> PageResult | PageToRead:
        """Return a page without any text: blank, or to be read if anything is drawn on it."""
        if self._options.text_layer == "always":
            return from_layer(self._page.number, layer, (), "its text layer is asked for")
        image = self._page.image()
        if int(image.pixels.max()) - int(image.pixels.min()) < _INK:
            return from_layer(self._page.number, layer, (), "it is blank")
        reason = "it has no text of its own, and something is drawn on it"
        return replace(self._to_read(reason), warnings=layer.warnings)

    def _read_instead(self, layer: TextLayer, reason: str) -> PageResult | PageToRead:
        """Return a page whose layer is not good enough, to be read unless the engine cannot."""
        fallback = fallback_of(self._page.number, layer)
        if fallback is not None and fallback.only_choice(self._engine.alphabet):
            return fallback.result
        to_read = self._to_read(reason)
        return replace(
            to_read,
            fallback=fallback,
            over=layer.over,
            quarters=layer.quarters,
            warnings=layer.warnings,
        )

    def _completed(self, layer: TextLayer, verdict: Verdict) -> PageResult:
        """Return the layer's text with that of the pictures in its places.

        A picture that fails costs its own text, and not that of the layer.
        """
        number = self._page.number
        if self._engine.whole_pages:
            # Such an engine says nothing of places, so a part of a page is of no use to it.
            count = len(verdict.pictures)
            message = f"{count} of its pictures may hold text and were not read"
            result = from_layer(number, layer, layer.fragments, verdict.reason)
            warning = PageWarning("unread_pictures", message, incomplete=True)
            return replace(result, warnings=(*result.warnings, warning))
        found = list(layer.fragments)
        unread: list[Box] = []
        warnings: tuple[PageWarning, ...] = ()
        try:
            image = self._page.image()
            warnings = image.warnings
            for picture in verdict.pictures:
                read, missed = self._read_picture(image, picture, layer)
                found.extend(read)
                unread.extend(missed)
        except PageFailed as error:
            message = f"its pictures were not all read: {error}"
            warnings = (*warnings, PageWarning("picture_failed", message, True))
        reason = (
            verdict.reason
            if len(found) > len(layer.fragments)
            else (
                "its pictures have text that cannot be read"
                if unread
                else "its pictures have no text"
            )
        )
        result = accounted(from_layer(number, layer, found, reason), unread)
        return replace(result, warnings=(*warnings, *result.warnings))

    def _read_picture(
        self, image: PageImage, picture: Box, layer: TextLayer
    ) -> tuple[list[Fragment], list[Box]]:
        """Return the text of a picture, and where it has text that cannot be read."""
        scale = image.dpi / _POINTS
        back = -layer.quarters % 4
        shown = turned(picture, back, layer.width, layer.height).scaled(scale)
        height, width = image.pixels.shape[:2]
        area = shown.clipped(Box(0, 0, width, height))
        left, top = int(area.left), int(area.top)
        cut = image.pixels[top : int(area.bottom), left : int(area.right)]
        if not cut.size:
            return [], []
        reading = self._engine.read(cut, self._deadline)
        if not isinstance(reading, LinesReading):
            return [], []
        factor, x, y = 1 / scale, left / scale, top / scale
        if reading.quarters or layer.quarters:
            # Turned pictures keep their own order, one line below the other, in their place.
            factor = min(picture.width / reading.width, picture.height / reading.height)
            x, y = picture.left, picture.top
        missed = [area.scaled(factor).moved(x, y) for area in reading.unread]
        return fragments_of(reading, factor, x, y), missed

    def _to_read(self, reason: str) -> PageToRead:
        return PageToRead(self._page.number, self._page.image(), reason, self._deadline)
