"""Reading documents in tests: what comes out, without a service or a command around it."""

from __future__ import annotations

from dataclasses import replace

from ocr.conversion.assembly import BlockDocument, DocumentResult, assemble
from ocr.conversion.convert import convert
from ocr.conversion_options import ConversionOptions, Limits
from ocr.engines.engine import OcrEngine
from ocr.formats.text_formats import TextFormat
from ocr_testing.fuzzing import SeesNothing

OPTIONS = ConversionOptions()


def read(
    content: bytes,
    engine: OcrEngine | None = None,
    *,
    said: TextFormat | None = None,
    limits: Limits = OPTIONS.limits,
) -> DocumentResult:
    """Return a document as it is read.

    Args:
        engine: None recognises nothing.
        said: what its name says that it is.
    """
    options = replace(OPTIONS, text_format=said, limits=limits)
    return assemble(list(convert(content, options, engine or SeesNothing())), "engine")


def blocks_of(result: DocumentResult, part: str) -> list[str]:
    """Return the texts of one part of a document, such as its comments."""
    return [block.text for block in all_blocks(result) if block.part == part]


def all_blocks(result: DocumentResult) -> list[BlockDocument]:
    """Return the blocks of all pages."""
    return [block for page in result.pages for block in page.blocks]
