"""`runtime verify`: gate 2."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from upgrade_gates.command_options import JsonOption, WorkspaceOption
from upgrade_gates.lock_file import read_lock
from upgrade_gates.matrix.matrices import load_matrices
from upgrade_gates.pex_file import read_pex, run_pex
from upgrade_gates.runtime.judgement import judge_environment, judge_report, unanswered
from upgrade_gates.runtime.report import read_report
from upgrade_gates.session import open_session
from upgrade_gates.verification import Verification

MARGIN_SECONDS = 120.0
"""A PEX that runs for the first time unpacks itself, before its own time limit begins."""

app = typer.Typer(no_args_is_help=True, help="Gate 2: an environment for the engine.")


@app.command(
    epilog="Example: `upgrade_gates runtime verify --pex dist/vllm_runtime.pex "
    "--lock 3rdparty/python/inference.lock`"
)
def verify(
    workspace: WorkspaceOption = None,
    pex: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="PEX of the engine; saved as artefacts.runtime_pex."),
    ] = None,
    lock: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its lock; saved as artefacts.runtime_lock."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time limit for the imports.", min=1, max=3600)
    ] = 300.0,
    json_: JsonOption = False,
) -> None:
    """Compare the engine's PEX with its lock, and run its own `check` (imports, CUDA)."""
    session = open_session(workspace).keeping(
        artefacts={
            "runtime_pex": str(pex.resolve()) if pex else None,
            "runtime_lock": str(lock.resolve()) if lock else None,
        }
    )
    pex_path = session.artefacts.required_path("runtime_pex")
    lock_path = session.artefacts.required_path("runtime_lock")
    locked = read_lock(lock_path)
    verification = Verification(session)
    environment = judge_environment(read_pex(pex_path), locked)
    ran = run_pex(
        pex_path,
        ["check", "--lock", str(lock_path), "--timeout", f"{seconds:g}"],
        seconds=seconds + MARGIN_SECONDS,
        cwd=session.workspace.base,
    )
    report = read_report(ran)
    chosen = session.context.matrix
    matrix = None if chosen is None else load_matrices().matrices[chosen]
    judged = unanswered(report) if isinstance(report, str) else judge_report(report, matrix)
    for each in (environment, *judged):
        verification.add(each.check, each.verdict, each.reason, output=ran.raw)
    verification.finish(as_json=json_)
