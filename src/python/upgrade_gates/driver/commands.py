"""`driver plan|rollback-plan|verify`: what a person does to the driver, and whether it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from upgrade_gates.command_options import JsonOption, WorkspaceOption
from upgrade_gates.driver.after import (
    NOT_HERE,
    after_rollback,
    after_upgrade,
    verify_host,
    without_change,
)
from upgrade_gates.driver.plan import DriverPlan, choose_package, make_plan
from upgrade_gates.driver.recorded import (
    PLAN_LINE,
    planned,
    recorded_snapshot,
    require_gate_0,
)
from upgrade_gates.driver.script import (
    ROLLBACK,
    UPGRADE,
    rollback_script,
    upgrade_script,
    write_script,
)
from upgrade_gates.driver.torch_check import torch_check
from upgrade_gates.errors import PlanRefused
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.host.boot import parse_boot_id
from upgrade_gates.host.facts import HostFacts, understand
from upgrade_gates.host.machine import Machine
from upgrade_gates.host.snapshot import take_snapshot
from upgrade_gates.matrix.assessment import Reach, assess, virtual_gpu
from upgrade_gates.matrix.matrices import MatrixName, load_matrices
from upgrade_gates.session import Session, open_session, utc_now
from upgrade_gates.verification import Verification

_UNDONE = {
    "1.install": "1.rolled-back.packages",
    "1.reboot": "1.rolled-back.reboot",
    "1.validate.series": "1.rolled-back.driver",
}
"""What the way back must have brought about, by what the way there brings about."""

app = typer.Typer(
    no_args_is_help=True,
    help="Gate 1: write the driver scripts (upgrade and rollback); verify after the reboot.",
)


@app.command()
def plan(
    package: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Driver package (default: the flavour of the present one)."
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    json_: JsonOption = False,
) -> None:
    """Write upgrade.sh, which changes the driver of this host. Changes nothing itself.

    Needs gate 0, and runs on the GPU host: apt is asked there what it would do.
    """
    session = open_session(workspace)
    plan_driver(session, Machine(), package).finish(as_json=json_)


@app.command(name="rollback-plan")
def rollback_plan(workspace: WorkspaceOption = None, json_: JsonOption = False) -> None:
    """Write rollback.sh, which restores the recorded versions exactly."""
    plan_rollback(open_session(workspace), Machine()).finish(as_json=json_)


@app.command(epilog="Example: `upgrade_gates driver verify --runtime dist/vllm_runtime.pex`")
def verify(
    runtime: Annotated[
        Path | None,
        typer.Option(
            metavar="PEX", help="PEX whose torch computes (default: artefacts.runtime_pex)."
        ),
    ] = None,
    rolled_back: Annotated[
        bool,
        typer.Option("--rolled-back", help="Verify the rollback: compare with the record."),
    ] = False,
    workspace: WorkspaceOption = None,
    json_: JsonOption = False,
) -> None:
    """Compare driver, packages, CUDA and torch with the plan, after the reboot.

    With --rolled-back, a pass overtakes what was shown of the new driver: gate 1 does not hold.
    """
    session, machine = open_session(workspace), Machine()
    if rolled_back:
        verify_rollback(session, machine).finish(as_json=json_)
    verify_driver(session, machine, runtime).finish(as_json=json_)


def plan_driver(session: Session, machine: Machine, package: str | None) -> Verification:
    """Make the plan and its script, and return what there is to keep.

    Raises:
        RecordMissing: gate 0 does not hold, or its record is of another machine.
        PlanRefused: it cannot be done on this host.
    """
    require_gate_0(session)
    now = utc_now()
    snapshot = recorded_snapshot(session.judge().chain, machine)
    facts, matrices = understand(snapshot), load_matrices()
    name, context = _matrix(session), session.context
    if context.owner is None or context.window is None:
        raise PlanRefused("upgrade.toml has no owner or no window; see choose-matrix")
    if context.window.end <= now:
        raise PlanRefused(
            f"the window ended {context.window.end.isoformat()}; agree on another one: "
            "upgrade_gates choose-matrix --window START/END"
        )
    verification = Verification(session)
    reached = next(
        each for each in assess(matrices, facts, None, today=now.date()) if each.name == name
    )
    if reached.reach is Reach.NOW and package is None:
        verification.add(PLAN_LINE, Verdict.PASS, f"nothing has to change: {reached.reasons[0]}")
        return verification
    if reason := virtual_gpu(facts):
        raise PlanRefused(reason)
    chosen = choose_package(facts, matrices, matrices.matrices[name], package)
    made = make_plan(
        snapshot,
        facts,
        chosen,
        machine,
        matrix=name,
        owner=context.owner,
        window=context.window,
        now=now,
    )
    script = _folder(session, made) / UPGRADE
    write_script(script, upgrade_script(made, root=machine.prefix))
    verification.add(
        PLAN_LINE,
        Verdict.PASS,
        f"{made.driver_before or 'no driver'} to {made.driver_after} by {chosen.name}, "
        f"{len(made.changes)} packages: {script}. {_users(made)}. Read the script; next: "
        f"upgrade_gates driver rollback-plan, then {UPGRADE} --dry-run",
        figures={"driver_before": made.driver_before, "driver_after": made.driver_after},
        output=made.model_dump_json(indent=1),
    )
    return verification


def plan_rollback(session: Session, machine: Machine) -> Verification:
    """Write the way back, and return what there is to keep.

    Raises:
        PlanRefused: there is no plan for this machine.
    """
    made = planned(session.judge().chain, machine).plan
    verification = Verification(session)
    if made is None:
        reason = "nothing has to change, so there is nothing to go back from"
        verification.add("1.rollback-plan", Verdict.PASS, reason)
        return verification
    script = _folder(session, made) / ROLLBACK
    text = rollback_script(made, root=machine.prefix)
    write_script(script, text)
    verification.add(
        "1.rollback-plan",
        Verdict.PASS,
        f"{made.driver_after} back to {made.driver_before or 'no driver'}: {script}. Read both "
        f"scripts, and try {script.with_name(UPGRADE)} --dry-run; in the window, {made.owner} runs "
        "it with --yes as root",
        output=text,
    )
    return verification


def verify_driver(session: Session, machine: Machine, runtime: Path | None) -> Verification:
    """Compare the host with the plan, and return what there is to keep.

    Raises:
        PlanRefused: there is no plan for this machine, or no matrix is chosen.
    """
    verification = Verification(session)
    snapshot = take_snapshot(machine, now=utc_now(), also=_changed_packages(session, machine))
    facts = understand(snapshot)
    if _nothing_here(facts) and session.judge().chain.latest(PLAN_LINE) is None:
        for line in ("1.install", "1.reboot", "1.validate.series", "1.validate.cuda"):
            verification.add(line, Verdict.NOT_CHECKABLE, NOT_HERE)
        verification.add("1.validate.torch", Verdict.NOT_CHECKABLE, NOT_HERE)
        return verification
    chain = session.judge().chain
    made = planned(chain, machine).plan
    expected = (
        after_upgrade(made, _changed_in(session, made, UPGRADE))
        if made is not None
        else without_change(understand(recorded_snapshot(chain, machine)))
    )
    matrix = load_matrices().matrices[_matrix(session)]
    raw = snapshot.model_dump_json(indent=1)
    for each in verify_host(expected, facts, matrix):
        verification.add(each.line, each.verdict, each.reason, output=raw)
    # Of GPUs that are divided, CUDA shows a process one instance only (MIG User Guide).
    divided = any(gpu.mig for gpu in facts.gpus)
    _torch(verification, session, runtime, None if divided else expected.gpus)
    return verification


def verify_rollback(session: Session, machine: Machine) -> Verification:
    """Compare the host with what it was before the plan, and return what there is to keep.

    Raises:
        PlanRefused: there is no plan for this machine, or it changed nothing.
    """
    made = planned(session.judge().chain, machine).plan
    if made is None:
        raise PlanRefused("the plan was to change nothing, so nothing can have been undone")
    verification = Verification(session)
    snapshot = take_snapshot(machine, now=utc_now(), also=(each.name for each in made.changes))
    raw = snapshot.model_dump_json(indent=1)
    expected = after_rollback(made, _changed_in(session, made, ROLLBACK))
    for each in verify_host(expected, understand(snapshot), None):
        if each.line in _UNDONE:
            verification.add(_UNDONE[each.line], each.verdict, each.reason, output=raw)
    return verification


def _changed_packages(session: Session, machine: Machine) -> tuple[str, ...]:
    """Return the packages of the plan, so that each of them is looked at; none without a plan."""
    try:
        made = planned(session.judge().chain, machine).plan
    except PlanRefused:
        return ()
    return () if made is None else tuple(each.name for each in made.changes)


def _torch(
    verification: Verification, session: Session, runtime: Path | None, gpus: int | None
) -> None:
    line = "1.validate.torch"
    pex = runtime or session.artefacts.path("runtime_pex")
    if pex is None or not pex.exists():
        where = f"{pex} is not there" if pex else "artefacts.runtime_pex is not set"
        verification.add(line, Verdict.NOT_CHECKABLE, f"{where}; name one with --runtime PEX")
        return
    found = torch_check(pex)
    if found.problem is not None:
        verification.add(line, Verdict.FAIL, found.problem, output=found.output)
    elif gpus is not None and len(found.devices) != gpus:
        reason = f"torch computes on {len(found.devices)} GPUs, and there are {gpus}"
        verification.add(line, Verdict.FAIL, reason, output=found.output)
    else:
        reason = f"torch {found.torch} computes on {', '.join(found.devices)}"
        verification.add(line, Verdict.PASS, reason, output=found.output)


def _matrix(session: Session) -> MatrixName:
    if session.context.matrix is None:
        raise PlanRefused("no matrix is chosen; run upgrade_gates choose-matrix --matrix A|B")
    return session.context.matrix


def _users(made: DriverPlan) -> str:
    """Say who has to leave the GPUs, and how."""
    stops = f"It stops {', '.join(made.services)}" if made.services else "It stops no service"
    if not made.others:
        return stops
    return f"{stops}; these must be ended by their owners before it runs: {'; '.join(made.others)}"


def _changed_in(session: Session, made: DriverPlan, script: str) -> str | None:
    """Return the id of the machine's start in which a script changed packages, as it noted it."""
    note = _folder(session, made) / f"{Path(script).stem}.boot_id"
    try:
        return parse_boot_id(note.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError):
        return None


def _folder(session: Session, made: DriverPlan) -> Path:
    folder = session.workspace.folder / "driver" / made.plan_id
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PlanRefused(f"{folder} cannot be made: {error.strerror}") from None
    return folder


def _nothing_here(facts: HostFacts) -> bool:
    return not facts.nvidia_devices and facts.driver is None
