"""The command line: `ocr.pex serve` and `ocr.pex convert`."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from ocr.access import KEY_VARIABLE, key_for
from ocr.app import running_application
from ocr.conversion.options import ConversionOptions, Limits, TextLayer
from ocr.convert_command import Format, Tally, convert_files
from ocr.engine import installed_engine
from ocr.engines.opening import open_engine
from ocr.engines.settings import EngineName, EngineSettings, RapidSettings, VisionProfileName
from ocr.engines.vision_options import vision_settings
from ocr.errors import EX_DATAERR, OcrError
from ocr.server import listen
from ocr.server import serve as serve_until_signal
from ocr.service.service import ServiceSettings
from ocr.service.uploads import Terms
from ocr.workers.pool import GIB, Workers
from querylake_version import VERSION

_LIMITS = Limits()

EngineOption = Annotated[EngineName, typer.Option(help="What recognises pages.")]
VisionUrlOption = Annotated[
    str | None, typer.Option(help="Of an OpenAI-compatible server, with /v1; for vision.")
]
VisionModelOption = Annotated[str | None, typer.Option(help="Its model; for vision.")]
VisionProfileOption = Annotated[
    VisionProfileName, typer.Option(help="Pixels and tokens that a page may cost; for vision.")
]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Documents in, Markdown out: PDF files and images, by their text layer or by OCR.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(VERSION)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it and end."),
    ] = False,
) -> None:
    """Take the options that come before a command."""


@app.command(
    help=f"Serve until SIGTERM. Where other machines can connect, {KEY_VARIABLE} must be set; "
    "where it is set, everything but /health asks for it."
)
def serve(
    host: Annotated[str, typer.Option(help="Name or address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 picks a free one.", min=0, max=65535)] = 8200,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="For documents, jobs and results.")
    ] = Path(".querylake/ocr"),
    workers: Annotated[
        int | None,
        typer.Option(help="Pages that are read at a time. [one per processor]", min=1, max=256),
    ] = None,
    sync_pages: Annotated[
        int, typer.Option(help="Of a document that is converted while one waits.", min=1)
    ] = 20,
    max_bytes: Annotated[int, typer.Option(help="Of a document.", min=1)] = _LIMITS.bytes,
    max_pages: Annotated[int, typer.Option(help="Of a document.", min=1)] = _LIMITS.pages,
    seconds: Annotated[float, typer.Option(help="A page may take.", min=1)] = _LIMITS.seconds,
    keep_days: Annotated[float, typer.Option(help="Jobs and results.", min=0)] = 7.0,
    memory: Annotated[float, typer.Option(help="GiB that a worker may have.", min=1)] = 6.0,
    engine: EngineOption = "rapidocr",
    vision_url: VisionUrlOption = None,
    vision_model: VisionModelOption = None,
    vision_profile: VisionProfileOption = "balanced",
) -> None:
    """Check everything that can be wrong, then serve."""
    reader: EngineSettings = RapidSettings(threads=1)
    if engine == "vision":
        reader = vision_settings(vision_url, vision_model, vision_profile)
    installed = installed_engine()
    listener = listen(host, port)
    key = key_for(listener.getsockname()[0])
    settings = ServiceSettings(
        data=data.resolve(),
        workers=workers or len(os.sched_getaffinity(0)),
        sync_pages=sync_pages,
        keep=timedelta(days=keep_days),
        memory=int(memory * GIB),
    )
    limits = Limits(bytes=max_bytes, pages=max_pages, seconds=seconds)
    terms = Terms(reader, limits)
    serve_until_signal(running_application(installed, key, settings, terms), listener)


@app.command(name="convert")
def convert_command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="PDF, PNG, JPEG, TIFF, WebP.")
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Where results go; else standard output."
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="What to write.")] = "markdown",
    password: Annotated[
        str | None,
        typer.Option(envvar="OCR_PASSWORD", help="Opens encrypted PDF files."),
    ] = None,
    pages: Annotated[str | None, typer.Option(help="Such as 1-3,7; else all.")] = None,
    text_layer: Annotated[
        TextLayer, typer.Option(help="Use the text that a PDF brings: where it is good, or ...")
    ] = "auto",
    dpi: Annotated[int, typer.Option(help="For pages that are recognised.", min=72, max=600)] = 200,
    engine: EngineOption = "rapidocr",
    vision_url: VisionUrlOption = None,
    vision_model: VisionModelOption = None,
    vision_profile: VisionProfileOption = "balanced",
    vision_pages: Annotated[
        int, typer.Option(help="Read at a time; for vision.", min=1, max=64)
    ] = 2,
    threads: Annotated[int, typer.Option(help="Of the embedded engine.", min=1, max=64)] = 1,
    seconds: Annotated[float, typer.Option(help="A page may take.", min=1)] = _LIMITS.seconds,
    memory: Annotated[float, typer.Option(help="GiB that reading may take.", min=1)] = 2.0,
) -> None:
    """Convert documents. Ends with 65 if a file or a page could not be converted.

    The key of a vision model's server is taken from OCR_VISION_API_KEY.
    """
    settings: EngineSettings = RapidSettings(threads=threads)
    if engine == "vision":
        settings = vision_settings(vision_url, vision_model, vision_profile)
    options = ConversionOptions(
        engine=settings,
        text_layer=text_layer,
        pages=pages,
        password=password,
        dpi=dpi,
        limits=Limits(seconds=seconds),
    )
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    name = open_engine(options.engine).name
    count = vision_pages if engine == "vision" else 1

    async def convert() -> Tally:
        workers = Workers(count, int(memory * GIB))
        try:
            return await convert_files(files, folder, format, options, workers, name)
        finally:
            await workers.close()

    if not asyncio.run(convert()).good:
        raise typer.Exit(EX_DATAERR)


def main() -> None:
    """Run a command. Faults that an operator can mend are one sentence and an exit code."""
    try:
        app(prog_name="ocr")
    except OcrError as error:
        typer.echo(f"ocr: {error}", err=True)
        sys.exit(error.exit_code)
