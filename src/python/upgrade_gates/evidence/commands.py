"""`evidence verify|show|fresh`: the records themselves, and what they say to other programs."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from upgrade_gates.checklist.gates import gate_numbered
from upgrade_gates.command_options import JsonOption, WorkspaceOption
from upgrade_gates.errors import EvidenceUnusable
from upgrade_gates.session import open_session
from upgrade_gates.status.freshness import freshness, promotion
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


@app.command()
def fresh(
    workspace: WorkspaceOption = None,
    for_: Annotated[
        Literal["promotion"] | None,
        typer.Option("--for", help="What the new stack needs to become the default."),
    ] = None,
    gate: Annotated[
        list[int] | None, typer.Option(help="Instead, whole gates; repeat for several.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Also write it here.")
    ] = None,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Read large files again that look unchanged.")
    ] = False,
) -> None:
    """Say as JSON which gates are shown for which artefacts. 0 only if all that is asked holds."""
    session = open_session(workspace, fresh_digests=rehash)
    judge = session.judge()
    if for_ is None and gate:
        asked = [judge.gate(gate_numbered(number)) for number in gate]
        found = freshness(judge, session.artefacts, "gates", asked)
    else:
        found = promotion(judge, session.artefacts)
    text = json.dumps(found, indent=2) + "\n"
    if output is not None:
        _write(output, text)
    typer.echo(text, nl=False)
    raise typer.Exit(0 if found["holds"] else EXIT_NOT_HELD)


def _write(file: Path, text: str) -> None:
    """Put a file in place whole: another program may read it at any moment."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=file.parent, prefix=f".{file.name}", delete=False
        ) as new:
            new.write(text)
        os.chmod(new.name, 0o644)
        os.replace(new.name, file)
    except OSError as error:
        raise EvidenceUnusable(f"{file} cannot be written: {error.strerror}") from None
