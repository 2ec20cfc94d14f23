"""`choose-matrix`: what each matrix means for this host; the choice, the window and the owner."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from upgrade_gates.command_options import JsonOption, WorkspaceOption
from upgrade_gates.context import Window
from upgrade_gates.context_file import change
from upgrade_gates.errors import ContextUnusable
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.host.facts import HostFacts, understand
from upgrade_gates.host.machine import Machine
from upgrade_gates.host.snapshot import Snapshot, take_snapshot
from upgrade_gates.matrix.assessment import Assessment, Reach, assess, recommended
from upgrade_gates.matrix.matrices import Matrices, MatrixName, load_matrices
from upgrade_gates.matrix.owner import checked_owner
from upgrade_gates.matrix.wheels import LockedWheels, read_wheels
from upgrade_gates.matrix.window import EXAMPLE, check_window, parse_window
from upgrade_gates.session import Session, open_session, utc_now
from upgrade_gates.verification import EXIT_NOT_HELD, Verification

VERDICTS = {
    Reach.NOW: Verdict.PASS,
    Reach.AFTER_UPGRADE: Verdict.PASS,
    Reach.NO: Verdict.FAIL,
    Reach.UNKNOWN: Verdict.NOT_CHECKABLE,
}


def choose_matrix(
    matrix: Annotated[str | None, typer.Option(metavar="A|B", help="Matrix to choose.")] = None,
    window: Annotated[
        str | None,
        typer.Option(metavar="START/END", help=f"Maintenance window, ISO 8601, such as {EXAMPLE}"),
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Time zone of times without an offset, such as Europe/Berlin."
        ),
    ] = None,
    owner: Annotated[
        str | None, typer.Option(metavar="NAME", help="Person who changes the driver.")
    ] = None,
    workspace: WorkspaceOption = None,
    json_: JsonOption = False,
) -> None:
    """Gate 0: show which matrices fit this host; save the choice, the window, the owner.

    Changes nothing on the host. Run it on the GPU host. Without an option it only tells, and ends
    with 1, because nothing was chosen.
    """
    session, machine = open_session(workspace), Machine()
    name = None if matrix is None else matrix_name(matrix)
    agreed = None if window is None else parse_window(window, zone=zone)
    if agreed is not None:
        check_window(agreed, now=utc_now(), minutes=_least_minutes(name, session))
    person = None if owner is None else checked_owner(owner)
    explained = explain(session, take_snapshot(machine, now=utc_now()))
    if not json_:
        typer.echo("\n".join(explained.words))
    if name is None and agreed is None and person is None:
        if json_:
            raise ContextUnusable("--json shows what was kept; give --matrix, --window or --owner")
        typer.echo("\nNothing was chosen. To choose: upgrade_gates choose-matrix --matrix A|B")
        raise typer.Exit(EXIT_NOT_HELD)
    keep(session, explained, matrix=name, window=agreed, owner=person).finish(as_json=json_)


class Explained:
    """What can be said of every matrix on a host.

    Attributes:
        words: for a person, line by line.
    """

    def __init__(
        self,
        assessments: Sequence[Assessment],
        words: Sequence[str],
        facts: HostFacts,
        wheels: LockedWheels | None,
    ) -> None:
        self.words = tuple(words)
        self.facts = facts
        self.wheels = wheels
        self._assessments = {each.name: each for each in assessments}

    def of(self, name: MatrixName) -> Assessment:
        """Return what was found of a matrix."""
        return self._assessments[name]


def explain(session: Session, snapshot: Snapshot) -> Explained:
    """Compute what each matrix means for a host, and put it into words."""
    matrices, facts = load_matrices(), understand(snapshot)
    lock = session.artefacts.path("runtime_lock")
    wheels = None if lock is None else read_wheels(lock)
    today = snapshot.taken_at.date()
    assessments = assess(matrices, facts, wheels, today=today)
    words = [_host_words(snapshot, facts), _lock_words(str(lock), wheels)]
    for each in assessments:
        words += ["", f"Matrix {each.name} {each.reach}: {_about(each)}"]
        words += [f"  - {reason}" for reason in each.reasons]
    words += ["", _advice(assessments, matrices, today)]
    return Explained(assessments, words, facts, wheels)


def keep(
    session: Session,
    explained: Explained,
    *,
    matrix: MatrixName | None,
    window: Window | None,
    owner: str | None,
) -> Verification:
    """Write a choice into `upgrade.toml`, and return what there is to keep as evidence."""
    values: dict[str, Any] = {"matrix": matrix, "owner": owner}
    if window is not None:
        values["window"] = {"start": window.start, "end": window.end}
    change(
        session.workspace.context_file,
        {key: value for key, value in values.items() if value is not None},
    )
    verification = Verification(open_session(session.workspace.base))
    if matrix is not None:
        chosen = explained.of(matrix)
        verification.add(
            "0.matrix",
            VERDICTS[chosen.reach],
            f"matrix {matrix} {chosen.reach}: {chosen.reasons[0]}",
            figures={
                "driver": explained.facts.driver,
                "driver_needed": chosen.matrix.driver,
                "wheels_cuda": explained.wheels.cuda if explained.wheels else None,
                "candidate": chosen.candidate.version if chosen.candidate else None,
            },
            output="\n".join(explained.words) + "\n",
        )
    if window is not None:
        span = f"{window.start.isoformat()} to {window.end.isoformat()}"
        minutes = (window.end - window.start) / datetime.timedelta(minutes=1)
        verification.add("0.window", Verdict.PASS, span, figures={"window_minutes": minutes})
    if owner is not None:
        verification.add("0.owner", Verdict.PASS, owner)
    return verification


def matrix_name(text: str) -> MatrixName:
    """Return the name of a matrix.

    Raises:
        ContextUnusable: there is none of this name.
    """
    for name in load_matrices().matrices:
        if name == text.strip().upper():
            return name
    raise ContextUnusable(f"--matrix {text}: there are matrices A and B")


def _least_minutes(name: MatrixName | None, session: Session) -> int:
    matrices = load_matrices().matrices
    chosen = name or session.context.matrix
    if chosen is not None:
        return matrices[chosen].window_minutes
    return max(matrix.window_minutes for matrix in matrices.values())


def _host_words(snapshot: Snapshot, facts: HostFacts) -> str:
    driver = f"driver {facts.driver}" if facts.driver else "no NVIDIA driver"
    kind = f" ({facts.module.flavour} kernel module)" if facts.module.flavour else ""
    gpus = len(facts.gpus) or len(facts.nvidia_devices)
    return f"Host {snapshot.host}: {driver}{kind}, {gpus} GPUs, {facts.os.name or 'unknown system'}"


def _lock_words(lock: str, wheels: LockedWheels | None) -> str:
    if wheels is None:
        return "Lock: artefacts.runtime_lock is not set in upgrade.toml"
    return (
        f"Lock {lock}: torch {wheels.torch or 'none'}, vllm {wheels.vllm or 'none'}, wheels built "
        f"with CUDA {wheels.cuda or 'unknown'}"
    )


def _about(each: Assessment) -> str:
    matrix = each.matrix
    return (
        f"driver {matrix.driver} or newer (install series {matrix.series}), CUDA {matrix.cuda}, "
        f"torch {matrix.torch}, vllm {matrix.vllm}, Python {' or '.join(matrix.pythons)}"
    )


def _advice(assessments: tuple[Assessment, ...], matrices: Matrices, today: datetime.date) -> str:
    best = recommended(assessments, matrices, today=today)
    if best is None:
        return "No matrix can be recommended from what this machine shows."
    chosen, why = best
    change_words = "no driver has to change" if chosen.reach is Reach.NOW else "a reboot is needed"
    return f"Recommended: matrix {chosen.name}, because {why}; {change_words}."
