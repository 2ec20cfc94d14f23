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
    no_args_is_help=True,
    help="Evidence: verify the chain of records, print one, ask what is fresh.",
)


@app.command()
def verify(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Verify form, place in the chain and output of every record. Exit code 1 if any is damaged."""
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
def show(
    sequence: Annotated[int, typer.Argument(metavar="NUMBER", help="Number of the record.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Print one record."""
    for record in open_session(workspace).store.read().records:
        if record.sequence == sequence:
            typer.echo(record.file.read_text(encoding="utf-8"), nl=False)
            return
    raise EvidenceUnusable(
        f"there is no intact record {sequence}; `upgrade_gates evidence verify` names damaged ones"
    )


@app.command(epilog="Example: `upgrade_gates evidence fresh --for promotion`")
def fresh(
    workspace: WorkspaceOption = None,
    for_: Annotated[
        Literal["promotion"] | None,
        typer.Option(
            "--for", metavar="promotion", help="Ask for what a promotion requires (default)."
        ),
    ] = None,
    gate: Annotated[
        list[int] | None, typer.Option(metavar="N", help="Ask for this gate instead; repeatable.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Also write the JSON to this file."),
    ] = None,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Recompute the digests of large files.")
    ] = False,
) -> None:
    """Report as JSON which gates hold for which artefacts. Exit code 0 only if all of them hold."""
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
