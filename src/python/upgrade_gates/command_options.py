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
        help="The folder that holds .upgrade; else this one, or the nearest above that has it.",
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
