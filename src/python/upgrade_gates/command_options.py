"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="FOLDER",
        envvar="UPGRADE_WORKSPACE",
        help="Folder with .upgrade (default: the current folder or the nearest parent with one).",
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
