"""How a document is to be converted. Values only, so that they can be sent to another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ocr.engines.settings import EngineSettings, RapidSettings
from ocr.formats.text_formats import TextFormat

TextLayer = Literal["auto", "always", "never"]
"""Whether to use the text that a PDF brings: where it is good, always, or never."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a document may cost.

    Attributes:
        bytes: of the document.
        pages: of the document, whether they are asked for or not.
        pixels: of one page's image, as it is decoded or rendered.
        seconds: of one page. Looked at between the steps of a page: a step that hangs can be ended
            only together with its process.
    """

    bytes: int = 256 * 1024 * 1024
    pages: int = 2_000
    pixels: int = 50_000_000
    seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class ConversionOptions:
    """How to convert one document.

    Attributes:
        engine: what reads the pages that have no good text layer.
        pages: such as `1-3,7`; None for all.
        password: opens an encrypted PDF.
        text_format: what a text is, as far as its name or its sender says; other files say it
            themselves.
        dpi: that PDF pages are rendered with for the engine.
    """

    engine: EngineSettings = field(default_factory=RapidSettings)
    text_layer: TextLayer = "auto"
    pages: str | None = None
    password: str | None = field(default=None, repr=False)
    text_format: TextFormat | None = None
    dpi: int = 200
    limits: Limits = field(default_factory=Limits)
