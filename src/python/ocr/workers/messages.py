"""What workers and those who have them work say to each other.

In a module of its own: what is pickled is found by the name of its module, and the worker's is
`__main__` in its own process.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from ocr.conversion.result import PageResult
from ocr.conversion_options import ConversionOptions

LENGTH = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Task:
    """What the parent asks for: one page, or, without a number, which pages there are."""

    document: Path
    options: ConversionOptions
    number: int | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that cannot be converted."""

    code: str
    message: str


Answer = PageResult | tuple[int, ...] | Refusal
