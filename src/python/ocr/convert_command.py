"""`ocr convert`: documents in, files beside them or in a folder out."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ocr.conversion.assembly import DocumentResult, assemble
from ocr.conversion.result import PageResult
from ocr.conversion_options import ConversionOptions
from ocr.errors import DocumentBroken, DocumentRefused, DocumentTooLarge
from ocr.formats.text_formats import text_format
from ocr.workers.messages import Refusal
from ocr.workers.pool import Workers

Format = Literal["markdown", "json"]

_ENDING = {"markdown": ".md", "json": ".json"}


@dataclass(slots=True)
class Tally:
    """What became of the files of one run.

    Attributes:
        refused: files of which nothing was converted.
        failed_pages: in the other files.
        incomplete_pages: that have text, but not all of it.
    """

    refused: int = 0
    failed_pages: int = 0
    incomplete_pages: int = 0
    taken: set[Path] = field(default_factory=set)

    @property
    def good(self) -> bool:
        """Whether every page of every file was converted, and none lacks text."""
        return not (self.refused or self.failed_pages or self.incomplete_pages)


async def convert_files(
    files: list[Path],
    folder: Path | None,
    format: Format,
    options: ConversionOptions,
    workers: Workers,
    engine: str,
) -> Tally:
    """Convert files, each into one of its own; say on standard error what became of them.

    Args:
        folder: where results go; None prints Markdown or JSON on standard output.
        engine: its name, for results.
    """
    tally = Tally()
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        for file in files:
            said = replace(options, text_format=text_format(file.name))
            try:
                pages = await _converted(file, said, workers, progress)
            except DocumentRefused as error:
                tally.refused += 1
                _say(progress, f"{file}: {error}")
                continue
            result = assemble(pages, engine)
            tally.failed_pages += len(result.errors)
            for failed in result.errors:
                _say(progress, f"{file}: page {failed.page}: {failed.message} ({failed.code})")
            incomplete = {warning.page for warning in result.warnings if warning.incomplete}
            tally.incomplete_pages += len(incomplete)
            for warning in result.warnings:
                _say(progress, f"{file}: page {warning.page}: {warning.message} ({warning.code})")
            _write(result, file, folder, format, tally, progress)
    return tally


async def _converted(
    file: Path, options: ConversionOptions, workers: Workers, progress: Progress
) -> list[PageResult]:
    _look_at(file, options.limits.bytes)
    numbers = await workers.pages(file, options)
    if isinstance(numbers, Refusal):
        raise DocumentRefused(numbers.message)
    task = progress.add_task(file.name, total=len(numbers))

    async def read(number: int) -> PageResult:
        page = await workers.page(file, options, number)
        progress.advance(task)
        return page

    return await asyncio.gather(*(read(number) for number in numbers))


def _look_at(file: Path, limit: int) -> None:
    """Refuse what a worker could not read."""
    try:
        status = file.stat()
        if stat.S_ISREG(status.st_mode):
            file.open("rb").close()
    except OSError as error:
        raise DocumentBroken(f"it cannot be read: {error.strerror}") from None
    size = status.st_size
    if stat.S_ISDIR(status.st_mode):
        raise DocumentBroken("it is a folder; name the files in it")
    if not stat.S_ISREG(status.st_mode):
        raise DocumentBroken("it is no regular file; write it into one first")
    if size > limit:
        raise DocumentTooLarge(f"it has {size:,} bytes and the limit is {limit:,}")


def _write(
    result: DocumentResult,
    file: Path,
    folder: Path | None,
    format: Format,
    tally: Tally,
    progress: Progress,
) -> None:
    if result.status == "failed" and format == "markdown":
        _say(progress, f"{file}: no page was converted, so nothing is written")
        return
    text = result.markdown + "\n" if format == "markdown" else result.model_dump_json(indent=2)
    if folder is None:
        typer.echo(text, nl=format == "json")
        return
    target = next(path for path in _targets(file, folder, format) if path not in tally.taken)
    tally.taken.add(target)
    target.write_text(text, encoding="utf-8")
    counts = result.page_source_counts
    own = counts.get("document", 0)
    first = (
        f"{own} pages from the file itself"
        if own
        else (f"{counts['text_layer']} pages from the text layer")
    )
    _say(
        progress,
        f"{file} -> {target}: {first}, {counts['ocr']} read by {result.engine}, "
        f"{len(result.errors)} failed",
    )


def _targets(file: Path, folder: Path, format: Format) -> Iterator[Path]:
    """Yield names for the result; files of one name from several folders do not replace another."""
    yield folder / f"{file.stem}{_ENDING[format]}"
    yield folder / f"{file.name}{_ENDING[format]}"
    number = 2
    while True:
        yield folder / f"{file.stem}-{number}{_ENDING[format]}"
        number += 1


def _say(progress: Progress, text: str) -> None:
    progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
