"""A document of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A document with known text.

    Attributes:
        truth: its text in reading order.
        tables: its tables.
        languages: as Tesseract calls them.
        ending: of the file's name; `pdf` holds a file of any such format.
        values: of its form fields, which a reader has to give somewhere.
    """

    name: str
    pdf: bytes
    truth: str
    tables: list[list[list[str]]]
    languages: str = "eng"
    ending: str = "pdf"
    values: tuple[str, ...] = ()
