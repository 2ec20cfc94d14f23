"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        envvar="QUERYLAKE_CONFIG",
        help="Configuration file.",
        show_default="querylake.toml",
        default_factory=lambda: Path("querylake.toml"),
    ),
]
