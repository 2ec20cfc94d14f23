"""The command line: `upgrade_gates.pex init|status|...`."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console

from querylake_version import VERSION
from upgrade_gates.api.commands import app as api_app
from upgrade_gates.boundary.commands import app as boundary_app
from upgrade_gates.checklist.gates import GATES, gate_numbered
from upgrade_gates.command_options import JsonOption, WorkspaceOption
from upgrade_gates.driver.commands import app as driver_app
from upgrade_gates.errors import GatesError
from upgrade_gates.evidence.commands import app as evidence_app
from upgrade_gates.host.record_command import record
from upgrade_gates.hygiene.commands import app as hygiene_app
from upgrade_gates.init_command import init
from upgrade_gates.matrix.choose_command import choose_matrix
from upgrade_gates.parity.commands import app as parity_app
from upgrade_gates.rehearse_command import rehearse
from upgrade_gates.report.command import report
from upgrade_gates.rollout.commands import app as rollout_app
from upgrade_gates.runtime.commands import app as runtime_app
from upgrade_gates.sbom_command import sbom
from upgrade_gates.serving.commands import app as serving_app
from upgrade_gates.session import open_session
from upgrade_gates.status.screen import as_screen
from upgrade_gates.status.view import as_json, as_table
from upgrade_gates.verification import EXIT_NOT_HELD

EXIT_USAGE = 2
"""What was asked cannot be answered. The same code as for a wrong option."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Paragraphs are joined, and [brackets] stand as they are.
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Upgrade gates: run the checks of an engine upgrade, keep the evidence, show what is left."
    "\n\nExit codes: 0 everything that was asked holds; 1 it does not; 2 the question cannot be "
    "answered, for instance because a file or a key is missing.",
    epilog="Begin with `upgrade_gates init`, then follow `upgrade_gates status`.",
)
app.command(
    epilog="Example: `upgrade_gates init --serving-url http://gpu1:8011/v1 --model MODEL --old-url "
    "http://gpu1:8001/v1 --api-url http://127.0.0.1:8000 --api-model NAME`"
)(init)
app.command(
    epilog="Example: `upgrade_gates choose-matrix --matrix B --owner 'FIRST LAST' --window "
    "2027-01-16T22:00+01:00/2027-01-17T02:00+01:00`"
)(choose_matrix)
app.command()(record)
app.add_typer(driver_app, name="driver")
app.add_typer(runtime_app, name="runtime")
app.add_typer(serving_app, name="serving")
app.add_typer(parity_app, name="parity")
app.add_typer(boundary_app, name="boundary")
app.add_typer(api_app, name="api")
app.add_typer(rollout_app, name="rollout")
app.add_typer(hygiene_app, name="hygiene")
app.command()(sbom)
app.command()(report)
app.command()(rehearse)
app.add_typer(evidence_app, name="evidence")


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


@app.command()
def status(
    workspace: WorkspaceOption = None,
    gate: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Show this gate only; repeatable.")
    ] = None,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Recompute the digests of large files.")
    ] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="Show every line with its evidence and command.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Show what is left, in order, with the next command. Fits a screen of 24 x 80.

    With --all or --gate, every line with its state. Exit code 0 only if every line holds.
    """
    asked = GATES if gate is None else tuple(gate_numbered(number) for number in gate)
    session = open_session(workspace, fresh_digests=rehash)
    judge = session.judge()
    gates = judge.gates(asked)
    damages = judge.chain.damages
    holds = all(each.holds for each in gates) and not damages
    if json_:
        typer.echo(json.dumps(as_json(gates, damages, holds=holds), indent=2))
    elif all_ or gate is not None:
        Console().print(as_table(gates, damages))
    else:
        screen = as_screen(gates, damages, session.context, judge.host.name, judge.now)
        Console(soft_wrap=True).print(*screen, sep="\n")
    raise typer.Exit(0 if holds else EXIT_NOT_HELD)


def main() -> None:
    """Run a command. Faults that an operator can mend are one sentence and an exit code."""
    try:
        app(prog_name="upgrade_gates")
    except GatesError as error:
        typer.echo(f"upgrade_gates: {error}", err=True)
        sys.exit(EXIT_USAGE)
