"""Pages of files that bring their own text: their blocks, with what their pictures say."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ocr.conversion.account import accounted, counted
from ocr.conversion.reading import fragments_of
from ocr.conversion.result import PageResult
from ocr.conversion_options import Limits
from ocr.deadline import Deadline
from ocr.documents.image_formats import is_image
from ocr.documents.images import ImageDocument
from ocr.engines.engine import LinesReading, OcrEngine
from ocr.engines.rules import drawn_rules
from ocr.errors import DocumentRefused, PageFailed
from ocr.formats.content import Notice, Picture, StructuredPage
from ocr.geometry import Box
from ocr.layout.block import Block
from ocr.layout.page_layout import lay_out
from ocr.page_warning import PageWarning
from ocr.text import Fragment, Means

_POINTS = 72.0
_SMALLEST = (48, 16)
"""Pixels of the longer and the shorter side below which a picture is an icon or a line."""

_SENTENCES: dict[Notice, tuple[str, str, bool]] = {
    "external_refused": (
        "picture that lies outside of the file was not fetched",
        "pictures that lie outside of the file were not fetched",
        False,
    ),
    "picture_unreadable": (
        "picture could not be decoded",
        "pictures could not be decoded",
        True,
    ),
    "value_missing": (
        "formula has no stored result; save the file anew in its program",
        "formulas have no stored result; save the file anew in its program",
        True,
    ),
    "attachment_unread": (
        "attachment was not read; send it by itself",
        "attachments were not read; send them by themselves",
        False,
    ),
    "encoding_guessed": (
        "text names no encoding and is no UTF-8; it was read as Windows-1252",
        "texts name no encoding and are no UTF-8; they were read as Windows-1252",
        False,
    ),
}
"""What a notice says after its number, of one and of several; and whether text is missing."""


def read_structured(
    page: StructuredPage, limits: Limits, engine: OcrEngine, deadline: Deadline
) -> PageResult:
    """Return a page with its pictures read, each in its place.

    A picture that fails costs its own text and nothing else: the page says so.
    """
    return _Reading(page, limits, engine, deadline).result()


class _Reading:
    def __init__(
        self, page: StructuredPage, limits: Limits, engine: OcrEngine, deadline: Deadline
    ) -> None:
        self._page = page
        self._limits = limits
        self._engine = engine
        self._deadline = deadline
        self._blocks: list[Block] = []
        self._fragments: list[Fragment] = []
        self._placed: list[Block] = []
        self._unread: list[Box] = []
        self._known: dict[bytes, list[Block]] = {}
        self._failures: list[str] = []

    def result(self) -> PageResult:
        """Return the page."""
        for piece in self._page.content:
            if isinstance(piece, Block):
                self._blocks.append(piece)
            else:
                self._blocks.extend(replace(block, part=piece.part) for block in self._read(piece))
        written = sum(len(block.text) for block in self._blocks if block.source == "document")
        recognised = any(block.source == "ocr" for block in self._blocks)
        result = PageResult(
            number=self._page.number,
            source="ocr" if recognised else "document",
            mixed=recognised and written > 0,
            reason=f"it is {self._page.kind}" + (" with pictures of text" if recognised else ""),
            width=self._page.width,
            height=self._page.height,
            rotation=0,
            skew=0.0,
            blocks=tuple(self._blocks),
            seconds=0.0,
            warnings=tuple(self._warnings()),
        )
        recognised_part = counted(replace(result, blocks=tuple(self._placed)), self._fragments)
        account = accounted(recognised_part, self._unread)
        means: tuple[tuple[Means, int], ...] = (("document", written),) if written else ()
        # Places in pictures are none on the page.
        return replace(
            account,
            blocks=tuple(self._blocks),
            read_by=(*means, *account.read_by),
            unread_areas=(),
        )

    def _read(self, picture: Picture) -> list[Block]:
        """Return the blocks of a picture; one that comes again is read once."""
        digest = hashlib.sha256(picture.content).digest()
        if digest not in self._known:
            self._known[digest] = []
            try:
                self._known[digest] = self._recognised(picture)
            except (DocumentRefused, PageFailed) as error:
                self._failures.append(str(error))
        return self._known[digest]

    def _recognised(self, picture: Picture) -> list[Block]:
        self._deadline.remaining()
        if not is_image(picture.content):
            # Most often a drawing of vectors: EMF, WMF or SVG.
            raise PageFailed("its format is none that can be read")
        with ImageDocument(picture.content, self._limits) as document:
            image = document.page(1).image()
        height, width = image.pixels.shape[:2]
        if max(height, width) < _SMALLEST[0] or min(height, width) < _SMALLEST[1]:
            return []
        reading = self._engine.read(image.pixels, self._deadline)
        if not isinstance(reading, LinesReading):
            text = reading.markdown
            return [Block("markdown", text, None, "ocr")] if text else []
        scale = _POINTS / image.dpi
        fragments = fragments_of(reading, scale, 0, 0)
        self._fragments.extend(fragments)
        self._unread.extend(area.scaled(scale) for area in reading.unread)
        rules = [rule.scaled(scale) for rule in drawn_rules(reading.upright)]
        blocks = lay_out(fragments, rules, reading.width * scale, reading.height * scale)
        self._placed.extend(blocks)
        return [_within_text(block) for block in blocks]

    def _warnings(self) -> list[PageWarning]:
        found = [
            PageWarning(notice, f"{count:,} {_SENTENCES[notice][count > 1]}", _SENTENCES[notice][2])
            for notice, count in self._page.notices.items()
            if count
        ]
        if self._failures:
            message = f"{len(self._failures):,} of its pictures were not read: {self._failures[0]}"
            found.append(PageWarning("picture_failed", message, True))
        return found


def _within_text(block: Block) -> Block:
    """Return a block of a picture as it stands in a text: it has no place on the page, and what is
    large or at the edge of a picture is no heading or footer of the text."""
    kind = "paragraph" if block.type in ("heading", "header", "footer") else block.type
    return replace(block, type=kind, box=None, level=0 if kind == "paragraph" else block.level)
