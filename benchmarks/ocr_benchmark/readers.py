"""What is compared: each reads a PDF and gives its text, and tables if it knows of them."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pypdfium2  # type: ignore[import-untyped]

from ocr.conversion.assembly import assemble
from ocr.conversion.convert import convert
from ocr.conversion_options import ConversionOptions
from ocr.engines.opening import open_engine
from ocr_benchmark.case import Case
from ocr_benchmark.marks import tables_of, without_marks
from ocr_benchmark.typesetting import Setting

_ONE_THREAD = {"OMP_THREAD_LIMIT": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Cost:
    """Seconds.

    Attributes:
        processor: of one thread, child processes' included.
        clock: that passed meanwhile.
    """

    processor: float
    clock: float


class Meter:
    """Measures from its making on.

    Args:
        children: whether the work is done by child processes, which have ended when it is read.
    """

    def __init__(self, *, children: bool) -> None:
        self._children = children
        self._processor = self._used()
        self._clock = time.monotonic()

    def read(self) -> Cost:
        """Return the cost so far."""
        return Cost(self._used() - self._processor, time.monotonic() - self._clock)

    def _used(self) -> float:
        return _children_seconds() if self._children else time.process_time()


@dataclass(frozen=True)
class Read:
    """What a reader made of a document.

    Attributes:
        cost: the time that it took.
        tables: None if it does not know of tables.
    """

    text: str
    pages: int
    cost: Cost
    tables: list[list[list[str]]] | None = None
    failed: list[str] = field(default_factory=list)


class Reader(Protocol):
    """A program that reads documents."""

    name: str

    def missing(self) -> str | None:
        """Return what has to be installed; None if nothing."""
        ...

    def read(self, case: Case) -> Read:
        """Read a document with one thread."""
        ...


def memory(who: int) -> float:
    """Return the most memory that was held at a time, in MB."""
    return resource.getrusage(who).ru_maxrss / 1024


class QueryLake:
    """This repository's."""

    name = "querylake"

    def __init__(self) -> None:
        self._options = ConversionOptions()
        self._engine = open_engine(self._options.engine)
        # Models are loaded by the first page, once in the life of a process.
        warm = Setting("DejaVu Sans")
        warm.paragraph("Any text.")
        options = replace(self._options, text_layer="never", dpi=72)
        list(convert(warm.pdf(), options, self._engine))

    def missing(self) -> None:
        """Return None: it is here."""

    def read(self, case: Case) -> Read:
        """Read a document; the models are loaded already."""
        meter = Meter(children=False)
        result = assemble(list(convert(case.pdf, self._options, self._engine)), self._engine.name)
        cost = meter.read()
        blocks = [block for page in result.pages for block in page.blocks]
        return Read(
            text=" ".join(block.text for block in blocks if block.type not in ("header", "footer")),
            pages=result.page_count,
            cost=cost,
            tables=[block.rows for block in blocks if block.rows is not None],
            failed=[error.message for error in result.errors],
        )


class Tesseract:
    """Tesseract on pages rendered at 200 dpi, with its own layout analysis and orientation."""

    name = "tesseract"

    def missing(self) -> str | None:
        """Return what has to be installed; None if nothing."""
        return None if shutil.which("tesseract") else "apt-get install tesseract-ocr"

    def read(self, case: Case) -> Read:
        """Read a document; rendering is not counted."""
        texts = []
        with tempfile.TemporaryDirectory() as folder, pypdfium2.PdfDocument(case.pdf) as document:
            files = []
            for number, page in enumerate(document):
                file = Path(folder, f"{number}.png")
                page.render(scale=200 / 72).to_pil().save(file, dpi=(200, 200))
                files.append(file)
            meter = Meter(children=True)
            for file in files:
                command = ["tesseract", str(file), "-", "-l", case.languages, "--psm", "1"]
                texts.append(_output(command))
            cost = meter.read()
        return Read("\n".join(texts), len(files), cost)


class OcrMyPdf:
    """OCRmyPDF, which keeps good text and adds Tesseract's; the text is taken from its result."""

    name = "ocrmypdf"

    def missing(self) -> str | None:
        """Return what has to be installed; None if nothing."""
        return None if shutil.which("ocrmypdf") else "apt-get install ocrmypdf"

    def read(self, case: Case) -> Read:
        """Read a document, with pages turned and straightened as far as it can."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "in.pdf"), Path(folder, "out.pdf")
            source.write_bytes(case.pdf)
            command = ["ocrmypdf", "--jobs", "1", "--skip-text", "--rotate-pages", "--deskew"]
            command += ["--output-type", "pdf", "-O", "0", "-q", "-l", case.languages]
            meter = Meter(children=True)
            _output([*command, str(source), str(target)])
            cost = meter.read()
            with pypdfium2.PdfDocument(target) as document:
                texts = [page.get_textpage().get_text_bounded() for page in document]
        return Read("\n".join(texts), len(texts), cost)


class MarkItDown:
    """markitdown, which turns many formats into Markdown and recognises nothing."""

    name = "markitdown"

    def missing(self) -> str | None:
        """Return what has to be installed; None if nothing."""
        return None if shutil.which("markitdown") else "pip install 'markitdown[all]' and its PATH"

    def read(self, case: Case) -> Read:
        """Read a document; starting Python is part of the time, as it is for its users."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, f"in.{case.ending}")
            file.write_bytes(case.pdf)
            meter = Meter(children=True)
            markdown = _output(["markitdown", str(file)])
            cost = meter.read()
        return Read(without_marks(markdown), 1, cost, tables_of(markdown))


class PdfToText:
    """Poppler's pdftotext, which prints the text that a PDF has and recognises none."""

    name = "pdftotext"

    def missing(self) -> str | None:
        """Return what has to be installed; None if nothing."""
        return None if shutil.which("pdftotext") else "apt-get install poppler-utils"

    def read(self, case: Case) -> Read:
        """Read a document in the order that pdftotext finds."""
        return _printed(case, lambda file: ["pdftotext", file, "-"])


class PdfPlumber:
    """pdfplumber, by its command; it recognises nothing."""

    name = "pdfplumber"

    def missing(self) -> str | None:
        """Return what has to be installed; None if nothing."""
        return None if shutil.which("pdfplumber") else "pip install pdfplumber, on the PATH"

    def read(self, case: Case) -> Read:
        """Read a document; the start of Python is counted, as it is for every call of it."""
        return _printed(case, lambda file: ["pdfplumber", "--format", "text", file])


READERS: dict[str, type[Reader]] = {
    reader.name: reader
    for reader in (QueryLake, Tesseract, OcrMyPdf, PdfToText, PdfPlumber, MarkItDown)
}


READS_OFFICE = frozenset({QueryLake.name, MarkItDown.name})
"""Those that read more than PDF files."""


def _printed(case: Case, command: Callable[[str], list[str]]) -> Read:
    """Return what a program prints for a document."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.pdf")
        source.write_bytes(case.pdf)
        with pypdfium2.PdfDocument(case.pdf) as document:
            pages = len(document)
        meter = Meter(children=True)
        text = _output(command(str(source)))
        return Read(text, pages, meter.read())


def _output(command: list[str]) -> str:
    done = subprocess.run(
        command, env={**os.environ, **_ONE_THREAD}, capture_output=True, text=True, check=True
    )
    return done.stdout


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
