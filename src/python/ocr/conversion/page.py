"""Converts one page. What it needs is in its arguments, so pages do not depend on each other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from ocr.conversion.account import accounted
from ocr.conversion.options import ConversionOptions
from ocr.conversion.reading import PageToRead, fragments_of, read_page
from ocr.conversion.result import PageResult, failed_page
from ocr.deadline import Deadline
from ocr.documents.document import Document, PageImage, SourcePage
from ocr.engines.engine import LinesReading, OcrEngine
from ocr.errors import PageFailed
from ocr.geometry import Box
from ocr.layout.page_layout import lay_out
from ocr.text import Fragment
from ocr.text_layer.layer import TextLayer
from ocr.text_layer.placing import turned
from ocr.text_layer.sample import says_the_same
from ocr.text_layer.verdict import Trust, Verdict, judged

_POINTS = 72.0
_NO_LAYER = ("it is an image", "its text layer is not asked for")


def convert_page(
    document: Document, number: int, options: ConversionOptions, engine: OcrEngine
) -> PageResult:
    """Return a page as blocks. A page that fails is a result as well, with its error."""
    started = time.monotonic()
    deadline = Deadline.after(options.limits.seconds)
    try:
        page = document.page(number)
        begun = _Conversion(page, options, engine, deadline).begun()
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
            return self._to_read(verdict.reason)
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
        self,
        layer: TextLayer,
        fragments: Sequence[Fragment],
        reason: str,
        unread: Sequence[Box] = (),
    ) -> PageResult:
        sources = {piece.source for piece in fragments}
        result = PageResult(
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
        return accounted(result, fragments, unread)

    def _completed(self, layer: TextLayer, verdict: Verdict) -> PageResult:
        """Return the layer's text with that of the pictures in its places."""
        image = self._page.image()
        found = list(layer.fragments)
        unread: list[Box] = []
        for picture in verdict.pictures:
            read, missed = self._read_picture(image, picture, layer)
            found.extend(read)
            unread.extend(missed)
        reason = (
            verdict.reason
            if len(found) > len(layer.fragments)
            else (
                "its pictures have text that cannot be read"
                if unread
                else "its pictures have no text"
            )
        )
        return self._from_layer(layer, found, reason, unread)

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
