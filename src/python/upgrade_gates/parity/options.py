"""Options and exit codes that the commands of `parity` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_DIFFERENT = 1
EXIT_NOT_DECIDED = 3

OldOption = Annotated[
    str, typer.Option("--old", metavar="URL", help="The old engine, up to and with /v1.")
]
NewOption = Annotated[
    str, typer.Option("--new", metavar="URL", help="The new engine, up to and with /v1.")
]
ModelOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Its model; default: the first that it lists.")
]
KeyOption = Annotated[
    str | None, typer.Option(metavar="VARIABLE", help="The environment variable with its key.")
]
TimeoutOption = Annotated[
    float, typer.Option(metavar="SECONDS", help="Time limit of one request, in seconds.", min=1)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]
PromptsOption = Annotated[
    Path | None,
    typer.Option(
        "--prompts",
        metavar="FILE",
        help="Prompts of your own, one a line: text, or requests as JSON.",
    ),
]
MarginOption = Annotated[
    float,
    typer.Option(
        metavar="NATS",
        help="Divergence that counts as equivalent, in nats a token; see `parity scale`.",
        min=0.0,
    ),
]
SecondsOption = Annotated[
    float, typer.Option(help="Time budget, in seconds; what was measured counts.", min=1)
]
StoredOption = Annotated[
    Path | None,
    typer.Option(
        "--stored",
        metavar="FILE",
        help='Vectors of an index that the new embedder must fit: {"text", "embedding"} a line.',
    ),
]
AcceptOption = Annotated[
    str | None,
    typer.Option(
        "--accept",
        metavar='"NAME: REASON"',
        help="Accept a difference for gate 3, by name and with the reason, which evidence keeps.",
    ),
]
