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
from ocr.conversion_options import ConversionOptions, Limits, TextLayer
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

EngineOption = Annotated[
    EngineName,
    typer.Option(help="Recognition engine: the embedded models, or a vision model's server."),
]
VisionUrlOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Base URL of an OpenAI-compatible server, such as http://gpu1:8001/v1. Required with "
        "--engine vision.",
    ),
]
VisionModelOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Model name on that server. Required with --engine vision."),
]
VisionProfileOption = Annotated[
    VisionProfileName,
    typer.Option(
        help="Image size and output limit per page: 1, 2 or 4 million pixels and 2,048, 4,096 or "
        "8,192 tokens. With --engine vision."
    ),
]
PixelsOption = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=10_000,
        max=1_000_000_000,
        help="Maximum image size of a page, in pixels. Larger pages are read at a lower "
        "resolution, with a warning.",
    ),
]
SecondsOption = Annotated[
    float, typer.Option(metavar="S", help="Time limit per page, in seconds.", min=1)
]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Paragraphs are joined, and [brackets] stand as they are.
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Convert documents to Markdown or JSON: PDF, office files, web pages, mail, text, and "
    "images. Text that a file contains is used; the rest is recognised (OCR).\n\n"
    "Examples: ocr convert report.pdf -o converted, or ocr serve --port 8200",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(VERSION)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Take the options that come before a command."""


@app.command(
    help="Run the HTTP service until SIGTERM.\n\n"
    f"{KEY_VARIABLE} must be set if the address can be reached from other machines. If it is set, "
    "every request but GET /health must send it as `Authorization: Bearer KEY`.\n\n"
    "Example: ocr serve --data /srv/ocr --workers 4"
)
def serve(
    host: Annotated[str, typer.Option(help="Host name or IP address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="TCP port to listen on; 0 selects a free one.", min=0, max=65535)
    ] = 8200,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Directory for documents, jobs and results.")
    ] = Path(".querylake/ocr"),
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Worker processes, each reading one page at a time.",
            show_default="one per CPU",
            min=1,
            max=256,
        ),
    ] = None,
    sync_pages: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Maximum pages of a document sent to POST /v1/ocr; jobs have no such limit.",
            min=1,
        ),
    ] = 20,
    max_bytes: Annotated[
        int, typer.Option(metavar="N", help="Maximum document size, in bytes.", min=1)
    ] = _LIMITS.bytes,
    max_pages: Annotated[
        int, typer.Option(metavar="N", help="Maximum pages of a document.", min=1)
    ] = _LIMITS.pages,
    max_pixels: PixelsOption = _LIMITS.pixels,
    seconds: SecondsOption = _LIMITS.seconds,
    keep_days: Annotated[
        float, typer.Option(metavar="DAYS", help="Days to keep finished jobs and results.", min=0)
    ] = 7.0,
    memory: Annotated[
        float, typer.Option(metavar="GIB", help="Memory limit per worker, in GiB.", min=1)
    ] = 6.0,
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
    limits = Limits(bytes=max_bytes, pages=max_pages, pixels=max_pixels, seconds=seconds)
    terms = Terms(reader, limits)
    serve_until_signal(running_application(installed, key, settings, terms), listener)


@app.command(name="convert")
def convert_command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="PDF, DOCX, PPTX, XLSX, HTML, EPUB, EML, MSG, CSV, Markdown, text, PNG, JPEG, "
            "TIFF, WebP, HEIC, AVIF, JPEG 2000, GIF or BMP.",
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Output directory.",
            show_default="standard output",
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="Output format.")] = "markdown",
    password: Annotated[
        str | None,
        typer.Option(envvar="OCR_PASSWORD", help="Password of encrypted PDF files."),
    ] = None,
    pages: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="Pages to convert, such as 1-3,7 or 5-.", show_default="all"
        ),
    ] = None,
    text_layer: Annotated[
        TextLayer,
        typer.Option(help="When to use the text layer of PDF pages: auto uses it if it is good."),
    ] = "auto",
    dpi: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Resolution at which PDF pages are recognised, in dots per inch.",
            min=72,
            max=600,
        ),
    ] = 200,
    max_pixels: PixelsOption = _LIMITS.pixels,
    engine: EngineOption = "rapidocr",
    vision_url: VisionUrlOption = None,
    vision_model: VisionModelOption = None,
    vision_profile: VisionProfileOption = "balanced",
    vision_pages: Annotated[
        int,
        typer.Option(
            metavar="N", help="Pages read in parallel. With --engine vision.", min=1, max=64
        ),
    ] = 2,
    threads: Annotated[
        int, typer.Option(metavar="N", help="Threads of the embedded engine.", min=1, max=64)
    ] = 1,
    seconds: SecondsOption = _LIMITS.seconds,
    memory: Annotated[
        float,
        typer.Option(metavar="GIB", help="Memory limit of the reading process, in GiB.", min=1),
    ] = 2.0,
) -> None:
    """Convert documents. The exit code is 65 if any text of any file is missing.

    The API key for --engine vision is read from OCR_VISION_API_KEY.

    Example: ocr convert report.pdf minutes.docx scan.heic -o converted
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
        limits=Limits(pixels=max_pixels, seconds=seconds),
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


def _program_name() -> str:
    """Return how this program was called: `ocr.pex`, or `ocr` when it is run as a module."""
    name = Path(sys.argv[0]).name
    return name if name.endswith(".pex") else "ocr"


def main() -> None:
    """Run a command. Faults that an operator can mend are one sentence and an exit code."""
    try:
        app(prog_name=_program_name())
    except OcrError as error:
        typer.echo(f"ocr: {error}", err=True)
        sys.exit(error.exit_code)
