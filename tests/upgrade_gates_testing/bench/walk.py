"""Gates 0 and 1 walked on a host of the bench: plan, dry run, upgrade, verify, and back."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from upgrade_gates.driver.commands import (
    plan_driver,
    plan_rollback,
    verify_driver,
    verify_rollback,
)
from upgrade_gates.driver.plan import DriverPlan
from upgrade_gates.driver.recorded import planned
from upgrade_gates.driver.script import ROLLBACK, UPGRADE
from upgrade_gates.errors import GatesError
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.host.record_command import record_host
from upgrade_gates.host.snapshot import take_snapshot
from upgrade_gates.matrix.choose_command import explain, keep
from upgrade_gates.matrix.window import parse_window
from upgrade_gates.session import Session, open_session, utc_now
from upgrade_gates.verification import Verification
from upgrade_gates_testing.bench.host import BenchHost, State
from upgrade_gates_testing.workspaces import make_workspace

STEPS = ("plan", "dry run", "upgrade", "verify", "rollback", "verify back")


@dataclass(frozen=True)
class Step:
    """How a step went: what it said at its end, or everything where it did not end well."""

    ok: bool
    said: str


@dataclass
class Walk:
    """A host, a workspace on it, and how each step went."""

    host: BenchHost
    folder: Path
    steps: dict[str, Step] = field(default_factory=dict)

    def __post_init__(self) -> None:
        make_workspace(self.folder)

    @property
    def session(self) -> Session:
        """The workspace as it is now."""
        return open_session(self.folder)

    @property
    def plan(self) -> DriverPlan:
        """The plan that was made last."""
        plan = planned(self.session.judge().chain, self.host.machine).plan
        assert plan is not None
        return plan

    @property
    def scripts(self) -> tuple[Path, Path]:
        """The way there, and the way back."""
        folder = self.session.workspace.folder / "driver" / self.plan.plan_id
        return folder / UPGRADE, folder / ROLLBACK

    def keep(self, verification: Verification) -> dict[str, tuple[Verdict, str]]:
        """Keep findings as evidence, and return them by line."""
        self.session.store.append(verification.findings, command=["x"])
        return {each.check: (each.verdict, each.reason) for each in verification.findings}

    def record(self, *, matrix: str = "A") -> dict[str, tuple[Verdict, str]]:
        """Do gate 0, with a window that is open now."""
        found = self.keep(record_host(self.session, self.host.machine))
        now = utc_now()
        start, end = now - datetime.timedelta(hours=1), now + datetime.timedelta(hours=9)
        explained = explain(self.session, take_snapshot(self.host.machine, now=now))
        chosen = keep(
            self.session,
            explained,
            matrix="B" if matrix == "B" else "A",
            window=parse_window(f"{start.isoformat()}/{end.isoformat()}"),
            owner="Ada Lovelace",
        )
        return found | self.keep(chosen)

    def make_plans(self, package: str | None = None, *, matrix: str = "A") -> Step:
        """Record, and plan there and back."""
        facts = self.record(matrix=matrix)
        wrong = [
            f"{line}: {reason}"
            for line, (verdict, reason) in facts.items()
            if verdict is not Verdict.PASS and line != "0.facts.snapshot"
        ]
        try:
            there = self.keep(plan_driver(self.session, self.host.machine, package))
            self.keep(plan_rollback(self.session, self.host.machine))
        except GatesError as error:
            return Step(False, "\n".join([*wrong, str(error)]))
        return Step(True, there["1.plan"][1])

    def run(self, *arguments: str) -> Step:
        """Run upgrade.sh."""
        return self._script(self.scripts[0], *arguments)

    def run_back(self, *arguments: str) -> Step:
        """Run rollback.sh."""
        return self._script(self.scripts[1], *arguments)

    def _script(self, script: Path, *arguments: str) -> Step:
        done = self.host.script(script, *arguments)
        return Step(done.returncode == 0, done.stdout + done.stderr)

    def verify(self) -> Step:
        """Verify the new driver; torch needs a GPU and is left out."""
        found = self.keep(verify_driver(self.session, self.host.machine, None))
        return _verified({line: each for line, each in found.items() if "torch" not in line})

    def verify_back(self) -> Step:
        """Verify the old driver."""
        return _verified(self.keep(verify_rollback(self.session, self.host.machine)))


def _verified(found: dict[str, tuple[Verdict, str]]) -> Step:
    said = "\n".join(f"{line} {verdict}: {reason}" for line, (verdict, reason) in found.items())
    return Step(all(verdict is Verdict.PASS for verdict, _ in found.values()), said)


def walk(
    host: BenchHost,
    folder: Path,
    *,
    before_upgrade: Callable[[Walk], None] | None = None,
    after_upgrade: Callable[[Walk], None] | None = None,
) -> Walk:
    """Walk as far as it goes. A step that does not end well ends the way there, not the way back.

    Args:
        before_upgrade: what happens on the host between the dry run and the upgrade.
        after_upgrade: what happens between the upgrade and its reboot.
    """
    walked = Walk(host, folder)
    steps = walked.steps
    steps["plan"] = walked.make_plans()
    if not steps["plan"].ok or "nothing has to change" in steps["plan"].said:
        return walked
    before = host.state
    steps["dry run"] = _dry_run(walked, before)
    if before_upgrade is not None:
        before_upgrade(walked)
    steps["upgrade"] = walked.run("--yes")
    if after_upgrade is not None:
        after_upgrade(walked)
    if steps["upgrade"].ok:
        host.boot()
        steps["verify"] = walked.verify()
    if (walked.scripts[0].parent / "upgrade.started").exists():
        steps["rollback"] = _same_as(before, walked.run_back("--yes"), host)
        host.boot()
        steps["verify back"] = walked.verify_back()
    return walked


def _dry_run(walked: Walk, before: State) -> Step:
    return _same_as(before, walked.run("--dry-run"), walked.host)


def _same_as(before: State, step: Step, host: BenchHost) -> Step:
    """Add what a step changed that it should not have changed."""
    after = host.state
    if step.ok and after != before:
        return Step(False, f"{step.said}\nthe host was {before}\nand is now {after}")
    return step
