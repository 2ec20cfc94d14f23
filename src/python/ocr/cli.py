"""The command line: `ocr.pex serve`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ocr.access import KEY_VARIABLE, key_for
from ocr.app import application
from ocr.engine import installed_engine
from ocr.errors import OcrError
from ocr.server import listen
from ocr.server import serve as serve_until_signal
from querylake_version import VERSION

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="QueryLake's OCR service. Converting documents is not part of this version.",
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
) -> None:
    """Check everything that can be wrong, then serve."""
    engine = installed_engine()
    listener = listen(host, port)
    key = key_for(listener.getsockname()[0])
    serve_until_signal(application(engine, key), listener)


def main() -> None:
    """Run a command. Faults that an operator can mend are one sentence and an exit code."""
    try:
        app(prog_name="ocr")
    except OcrError as error:
        typer.echo(f"ocr: {error}", err=True)
        sys.exit(error.exit_code)
