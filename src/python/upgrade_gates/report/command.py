"""`report`: the page and the Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from upgrade_gates.checklist.gates import GATES
from upgrade_gates.command_options import WorkspaceOption
from upgrade_gates.errors import EvidenceUnusable
from upgrade_gates.report.content import content
from upgrade_gates.report.markdown import as_markdown
from upgrade_gates.report.page import as_page
from upgrade_gates.session import open_session

HTML, MARKDOWN = "report.html", "report.md"


def report(
    workspace: WorkspaceOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Output folder (default: .upgrade)."),
    ] = None,
) -> None:
    """Write the state of the upgrade as a self-contained HTML page and as Markdown."""
    session = open_session(workspace)
    judge = session.judge()
    said = content(session.context, judge.chain, session.artefacts, judge.gates(GATES), judge.now)
    folder = session.workspace.folder if output is None else output
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in ((HTML, as_page(said)), (MARKDOWN, as_markdown(said))):
            (folder / name).write_text(text, encoding="utf-8")
            typer.echo(folder / name)
    except OSError as error:
        raise EvidenceUnusable(
            f"the report cannot be written to {folder}: {error.strerror}"
        ) from None
