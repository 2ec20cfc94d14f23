"""`rehearse`: every check that needs no GPU, once, in a workspace of its own."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import typer

from upgrade_gates.artefacts import FILES
from upgrade_gates.command_options import WorkspaceOption
from upgrade_gates.context import UpgradeContext
from upgrade_gates.context_file import change
from upgrade_gates.errors import GatesError
from upgrade_gates.session import Session, open_session
from upgrade_gates.verification import EXIT_NOT_HELD
from upgrade_gates.workspace import Workspace

FOLDER = "rehearsal"
"""Below `.upgrade`: a workspace whose evidence is nobody's."""

BASELINE_SECONDS = "40"
PARITY_SECONDS = "30"
"""With everything else, five minutes on a laptop."""


class Program(Protocol):
    """The program itself, run in this process."""

    def main(self, args: list[str], *, prog_name: str, standalone_mode: bool) -> Any:
        """Run a command, and return its exit code, or None for 0."""


@dataclass(frozen=True)
class Step:
    """A command of the rehearsal.

    Attributes:
        needs: tables of `upgrade.toml`, or artefacts, without which it is left out.
        verdicts: whether it prints records as JSON.
    """

    gate: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()
    verdicts: bool = True


STEPS = (
    Step("0", ("record",)),
    Step("2", ("runtime", "verify"), ("runtime_pex", "runtime_lock")),
    Step("3", ("serving", "verify", "--seconds", BASELINE_SECONDS, "--no-gpu"), ("serving",)),
    Step("3", ("parity", "verify", "--seconds", PARITY_SECONDS, "--fail-fast"), ("serving", "old")),
    Step("4", ("boundary", "verify", "--no-pants"), ("serving", "api")),
    Step("5", ("api", "verify"), ("api_pex", "api_lock")),
    Step("6", ("rollout", "verify"), ("serving", "api")),
    Step("7", ("hygiene", "verify"), ("api_lock",)),
    Step("-", ("report",), verdicts=False),
    Step("-", ("evidence", "verify"), verdicts=False),
)
"""What changes nothing, in the order of the gates. A driver is not rehearsed: `driver plan` and its
scripts have a dry run of their own."""


@dataclass(frozen=True)
class Rehearsed:
    """How a step ended.

    Attributes:
        said: verdicts counted, or why it was left out or could not be answered.
    """

    step: Step
    seconds: float
    said: str
    code: int | None


def rehearse(context: typer.Context, workspace: WorkspaceOption = None) -> None:
    """Run every check that needs no GPU, in about five minutes, in a workspace of its own.

    The real evidence is not touched. Start an engine and the API first, for instance with
    `./querylake up`, and name them in upgrade.toml. Exit code 0 only if no check fails.
    """
    session = open_session(workspace)
    place = _prepare(session)
    started = time.monotonic()
    failed = False
    typer.echo(f"Rehearsal in {place.folder}; the evidence of {session.workspace.folder} stays.")
    for done in _walk(context.find_root().command, place, session.context):
        command = f"upgrade_gates {' '.join(done.step.arguments)}"
        typer.echo(f"{done.step.gate}  {done.seconds:6.1f} s  {command}\n              {done.said}")
        failed = failed or done.code not in (0, None)
    typer.echo(f"{time.monotonic() - started:.0f} s in all. See {place.folder / 'report.html'}")
    raise typer.Exit(EXIT_NOT_HELD if failed else 0)


def _prepare(session: Session) -> Workspace:
    """Make an empty workspace about the same things."""
    base = session.workspace.folder / FOLDER
    shutil.rmtree(base, ignore_errors=True)
    place = Workspace(base)
    place.folder.mkdir(parents=True)
    shutil.copyfile(session.workspace.context_file, place.context_file)
    paths = {name: path for name in FILES if (path := session.artefacts.path(name)) is not None}
    if paths:
        change(
            place.context_file,
            {"artefacts": {name: str(path.resolve()) for name, path in paths.items()}},
        )
    return place


def _walk(program: Program, place: Workspace, context: UpgradeContext) -> Iterator[Rehearsed]:
    for step in STEPS:
        lacking = [name for name in step.needs if not _is_there(place, context, name)]
        if lacking:
            said = f"left out: {', '.join(lacking)} is not in upgrade.toml, or not there"
            yield Rehearsed(step, 0.0, said, None)
            continue
        started = time.monotonic()
        code, said = _run(program, place, step)
        yield Rehearsed(step, time.monotonic() - started, said, code)


def _is_there(place: Workspace, context: UpgradeContext, name: str) -> bool:
    if name in FILES:
        path: Path | None = getattr(context.artefacts, name)
        return path is not None and open_session(place.base).artefacts.digest(name) is not None
    return getattr(context, name) is not None


def _run(program: Program, place: Workspace, step: Step) -> tuple[int, str]:
    """Run a command in this process, and return its exit code and what it found."""
    arguments = [*step.arguments, "--workspace", str(place.base)]
    arguments += ["--json"] if step.verdicts else []
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            ended = program.main(arguments, prog_name="upgrade_gates", standalone_mode=False)
    except GatesError as error:
        return 2, f"cannot be answered: {error}"
    if step.verdicts:
        return _judged(json.loads(output.getvalue()))
    lines = output.getvalue().strip().splitlines()
    return int(ended or 0), lines[-1] if lines else ""


def _judged(records: list[dict[str, Any]]) -> tuple[int, str]:
    """Return 1 if anything fails, and what was found, with the reason of what fails."""
    found = [record["predicate"] for record in records]
    counted = Counter(each["verdict"].replace("_", " ") for each in found)
    said = ", ".join(f"{number} {verdict}" for verdict, number in counted.items())
    failing = [f"{each['check']}: {each['reason']}" for each in found if each["verdict"] == "fail"]
    return (1 if failing else 0), "\n              ".join([said, *failing])
