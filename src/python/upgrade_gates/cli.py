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
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The gates of a dependency upgrade. Ends with 0 only when what was asked holds.",
)
app.command()(init)
app.command()(choose_matrix)
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
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it and end."),
    ] = False,
) -> None:
    """Take the options that come before a command."""


@app.command()
def status(
    workspace: WorkspaceOption = None,
    gate: Annotated[
        list[int] | None, typer.Option(help="Only this gate; repeat for several.")
    ] = None,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Read large files again that look unchanged.")
    ] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="Every line, with what was seen and the command.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Show what is left, in order, with the next command. 0 only if every line holds.

    With --all, or --gate, show every line: done, stale and why, failing, open, or not checkable.
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
