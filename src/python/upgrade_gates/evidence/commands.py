"""`evidence verify|show`: the records themselves."""

from __future__ import annotations

import json

import typer

from upgrade_gates.command_options import JsonOption, WorkspaceOption
from upgrade_gates.errors import EvidenceUnusable
from upgrade_gates.session import open_session
from upgrade_gates.verification import EXIT_NOT_HELD

app = typer.Typer(
    no_args_is_help=True, help="The records: whether they are whole, and one of them."
)


@app.command()
def verify(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Check every record's form, its place in the chain, and its output. 1 if any is damaged."""
    chain = open_session(workspace).store.read()
    if as_json:
        damaged = [{"record": each.record, "reason": each.reason} for each in chain.damages]
        typer.echo(json.dumps({"intact": len(chain.records), "damaged": damaged}, indent=2))
    else:
        for damage in chain.damages:
            typer.echo(f"damaged  {damage.record}: {damage.reason}")
        typer.echo(f"{len(chain.records)} records are what was written, {len(chain.damages)} not.")
    raise typer.Exit(EXIT_NOT_HELD if chain.damages else 0)


@app.command()
def show(sequence: int, workspace: WorkspaceOption = None) -> None:
    """Print one record, by its number."""
    for record in open_session(workspace).store.read().records:
        if record.sequence == sequence:
            typer.echo(record.file.read_text(encoding="utf-8"), nl=False)
            return
    raise EvidenceUnusable(
        f"there is no intact record {sequence}; `upgrade_gates evidence verify` names damaged ones"
    )
