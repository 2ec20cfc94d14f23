"""`hygiene verify`: gate 7."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from upgrade_gates.artefacts import BILL
from upgrade_gates.command_options import JsonOption, WorkspaceOption
from upgrade_gates.errors import ArtefactUnusable
from upgrade_gates.evidence.digests import Digests
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.hygiene.builds import built_again, compare_builds
from upgrade_gates.hygiene.clean import judge_clean
from upgrade_gates.hygiene.consistency import read_distributions
from upgrade_gates.hygiene.lock_tool import check_installable
from upgrade_gates.hygiene.locks import judge_edge, judge_fresh, judge_hashed, judge_split
from upgrade_gates.lock_file import LockFile, read_lock
from upgrade_gates.sbom import SUFFIX, write_bill
from upgrade_gates.serving.outcome import Outcome
from upgrade_gates.session import Session, open_session, utc_now
from upgrade_gates.verification import Verification

STACKS = ("api", "ocr", "runtime", "edge")
"""Stacks that have `<stack>_lock` and `<stack>_pex` in upgrade.toml."""

NEEDED = ("api_lock", "runtime_lock")
"""Stacks that every upgrade has: a line about every stack is not shown without them."""

EVERY_STACK = ("7.locks.fresh", "7.locks.hashed", "7.locks.installable", "7.sbom")

app = typer.Typer(
    no_args_is_help=True, help="Gate 7: locked, consistent, reproducible dependencies."
)


@app.command(epilog="Example: `upgrade_gates hygiene verify --second-build OTHER/vllm_runtime.pex`")
def verify(
    workspace: WorkspaceOption = None,
    install: Annotated[
        bool,
        typer.Option(
            "--install", help="Also check that each lock installs; needs the package index."
        ),
    ] = False,
    install_heavy: Annotated[
        bool, typer.Option("--install-heavy", help="Like --install, with the engines' locks.")
    ] = False,
    second_build: Annotated[
        Path | None,
        typer.Option(metavar="PEX", help="Second build of artefacts.runtime_pex to compare with."),
    ] = None,
    build: Annotated[
        bool, typer.Option("--build", help="Make the second build now; takes many minutes.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Check locks and PEX files, and write bills of materials (CycloneDX)."""
    session = open_session(workspace)
    locks = {
        stack: read_lock(session.artefacts.required_path(f"{stack}_lock"))
        for stack in STACKS
        if session.artefacts.named(f"{stack}_lock")
    }
    if not locks:
        session.artefacts.required_path("runtime_lock")
    outcomes = _read(session, locks)
    if install or install_heavy:
        outcomes["7.locks.installable"] = check_installable(
            session.workspace.base, [lock.name for lock in locks.values()], heavy=install_heavy
        )
    if second_build is not None or build:
        outcomes["7.stable"] = _rebuilt(session, second_build)
    verification = Verification(session)
    for check, found in outcomes.items():
        outcome = _of_every_stack(session, found) if check in EVERY_STACK else found
        bills = [f"{BILL}{lock.name}{SUFFIX}" for lock in locks.values() if check == "7.sbom"]
        verification.add(
            check,
            outcome.verdict,
            outcome.reason,
            output=outcome.output,
            subjects=session.artefacts.digests(bills),
        )
    verification.finish(as_json=json_)


def _read(session: Session, locks: dict[str, LockFile]) -> dict[str, Outcome]:
    """Return what can be seen without building or installing."""
    every = list(locks.values())
    api, ocr, runtime, edge = (locks.get(stack) for stack in STACKS)
    lacking = Outcome(
        Verdict.NOT_CHECKABLE, "upgrade.toml does not name the locks that this is about"
    )
    pexes = {
        f"{stack}_pex": (session.artefacts.path(f"{stack}_pex"), lock.path)
        for stack, lock in locks.items()
    }
    return {
        "7.locks.fresh": judge_fresh(every, utc_now().date()),
        "7.locks.hashed": judge_hashed(every),
        "7.split": judge_split(api, runtime, edge, ocr) if api and runtime else lacking,
        "7.clean": judge_clean(pexes),
        "7.edge": judge_edge(runtime, edge) if runtime and edge else lacking,
        "7.sbom": _bills(session, locks),
    }


def _of_every_stack(session: Session, outcome: Outcome) -> Outcome:
    """Return an outcome that is no pass while a stack is not named, which nobody has looked at."""
    lacking = [name for name in NEEDED if not session.artefacts.named(name)]
    if not lacking or outcome.verdict is not Verdict.PASS:
        return outcome
    return replace(
        outcome,
        verdict=Verdict.INCONCLUSIVE,
        reason=f"{outcome.reason}; not looked at, for upgrade.toml does not name it: "
        f"{', '.join(lacking)}",
    )


def _bills(session: Session, locks: dict[str, LockFile]) -> Outcome:
    written, without_tree = [], []
    for stack, lock in locks.items():
        sha256 = session.artefacts.digest(f"{stack}_lock")
        pex = session.artefacts.path(f"{stack}_pex")
        built = read_distributions(pex) if pex is not None and pex.exists() else None
        if built is None:
            without_tree.append(lock.name)
        if sha256 is not None:
            written.append(write_bill(lock, sha256, session.workspace.bills, built))
    files = ", ".join(str(file.relative_to(session.workspace.base)) for file in written)
    lacking = (
        f"; without licences and dependencies, for their PEX is not here: {', '.join(without_tree)}"
        if without_tree
        else "; with hashes, licences and dependencies"
    )
    return Outcome(Verdict.PASS, f"written: {files}{lacking}")


def _rebuilt(session: Session, second: Path | None) -> Outcome:
    first = session.artefacts.required_path("runtime_pex")
    digests = Digests(session.workspace.digest_cache)
    with nullcontext(second) if second is not None else built_again(_checkout(session)) as other:
        return compare_builds(first, other, digests)


def _checkout(session: Session) -> Path:
    base = session.workspace.base
    for folder in (base, *base.parents):
        if (folder / "pants").is_file():
            return folder
    raise ArtefactUnusable(
        "there is no checkout here to build in; make the second build there, and name it with "
        "--second-build"
    )
