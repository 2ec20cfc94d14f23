"""The command line: `upgrade_gates.pex status`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from querylake_version import VERSION
from upgrade_gates.document import USUAL_PLACE, find_document, read_document
from upgrade_gates.errors import GatesError
from upgrade_gates.status import SUMMARY, as_json, as_table

EXIT_NOT_HELD = 1
"""What was asked does not hold."""

EXIT_USAGE = 2
"""What was asked cannot be answered. The same code as for a wrong option."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The gates of a dependency upgrade. Ends with 0 only when what was asked holds.",
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


@app.command()
def status(
    document: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"The document with the gates; else {USUAL_PLACE}, here or in a folder above.",
        ),
    ] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the state of every line of every gate. This version has no checks: all are open."""
    path = find_document(Path.cwd()) if document is None else document
    gates = read_document(path)
    if as_json_:
        typer.echo(json.dumps(as_json(path, gates), indent=2))
    else:
        Console().print(as_table(gates))
        typer.echo(f"\n{SUMMARY}")
    raise typer.Exit(EXIT_NOT_HELD)


def main() -> None:
    """Run a command. Faults that an operator can mend are one sentence and an exit code."""
    try:
        app(prog_name="upgrade_gates")
    except GatesError as error:
        typer.echo(f"upgrade_gates: {error}", err=True)
        sys.exit(EXIT_USAGE)
