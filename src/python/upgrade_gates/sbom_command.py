"""`sbom`: a bill of materials for any lock."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import typer

from upgrade_gates.errors import ArtefactUnusable
from upgrade_gates.hygiene.consistency import read_distributions
from upgrade_gates.lock_file import read_lock
from upgrade_gates.sbom import bill_of_materials


def sbom(
    lock: Annotated[Path, typer.Argument(metavar="LOCK", help="Lock made by build-support/lock.")],
    pex: Annotated[
        Path | None,
        typer.Option(
            metavar="PEX", help="PEX built from the lock; adds the dependency tree and licences."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Output file (default: standard output)."
        ),
    ] = None,
) -> None:
    """Print the bill of materials of a lock (CycloneDX 1.6, reproducible)."""
    locked = read_lock(lock)
    built = None if pex is None else read_distributions(pex)
    bill = bill_of_materials(locked, hashlib.sha256(lock.read_bytes()).hexdigest(), built)
    text = json.dumps(bill, indent=1) + "\n"
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ArtefactUnusable(f"{output} cannot be written: {error.strerror}") from None
    typer.echo(f"{output}: {len(bill['components'])} components")
