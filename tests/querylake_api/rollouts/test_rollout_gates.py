"""A promotion asks the gates of the upgrade, and nothing but a clear yes is one."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from querylake_api.errors import ApiError
from querylake_api.rollouts.control.gates import Gates
from querylake_api.rollouts.control.service import RolloutService
from querylake_api.rollouts.records.lifecycle import Action, Status
from querylake_api.rollouts.records.repository import RolloutRepository
from querylake_api.rollouts.records.stops import StopFile
from querylake_api.rollouts.records.transition import transition
from querylake_api.rollouts.routing.assignment import RolloutAssignment
from querylake_api.rollouts.routing.follower import Follower
from querylake_api_testing.rollout_database import (
    Worker,
    controller,
    counted,
    kinds_of_events,
    primed,
    started,
)
from querylake_api_testing.rollout_stage import GATES_HOLD


def saying(document: object, code: int = 0) -> list[str]:
    """Return a command that prints JSON and ends with an exit code."""
    return [sys.executable, "-c", f"print({json.dumps(document)!r}); raise SystemExit({code})"]


LINES = ["3.serve is stale", "4.imports is open", "5.ray is failing", "6.smoke is open"]
BROKEN = [sys.executable, "-c", "raise SystemExit('the folder has no .upgrade')"]
NO: list[tuple[Sequence[str], str]] = [
    ((), "no gate evidence is configured (rollouts.gates_command in the configuration)"),
    (("/no/such/program",), "/no/such/program cannot be run: No such file or directory"),
    (saying({"holds": False, "missing": LINES[:1]}, 1), "the gates do not hold: 3.serve is stale"),
    (
        saying({"holds": False, "missing": LINES}, 1),
        f"the gates do not hold: {'; '.join(LINES[:3])}, and 1 more",
    ),
    (saying({"holds": True}, 1), "the gates do not hold: `upgrade_gates status` shows which"),
    (saying({"holds": "yes"}), "the gates do not hold: `upgrade_gates status` shows which"),
    (saying([True]), "the gates do not hold: `upgrade_gates status` shows which"),
    (BROKEN, "the gates cannot say whether they hold: the folder has no .upgrade"),
]


@pytest.mark.parametrize(("command", "refusal"), NO, ids=lambda value: "")
async def test_whatever_is_no_clear_yes_is_a_refusal(
    command: Sequence[str], refusal: str, tmp_path: Path
) -> None:
    assert (await Gates(command, tmp_path).evidence()).refusal == refusal


async def test_gates_that_never_answer_are_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("querylake_api.rollouts.control.gates.TIMEOUT_SECONDS", 0.2)
    sleeping = [sys.executable, "-c", "import time; time.sleep(3600)"]
    refusal = (await Gates(sleeping, tmp_path).evidence()).refusal
    assert refusal == "the gates did not answer within 0.2 s"


@pytest.mark.parametrize("cancelled", [False, True], ids=["too late", "cancelled"])
async def test_gates_and_what_they_started_are_ended_and_reaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    monkeypatch.setattr(
        "querylake_api.rollouts.control.gates.TIMEOUT_SECONDS", 600.0 if cancelled else 5.0
    )
    program = (
        "import os, subprocess, sys, time; child = subprocess.Popen(['sleep', '3600']); "
        "open('pids', 'w').write(f'{os.getpid()} {child.pid}\\n'); time.sleep(3600)"
    )
    asking = asyncio.create_task(Gates([sys.executable, "-c", program], tmp_path).evidence())
    if cancelled:
        async with asyncio.timeout(30):
            while not (tmp_path / "pids").exists() or "\n" not in (tmp_path / "pids").read_text():
                await asyncio.sleep(0.01)
        asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    parent, child = map(int, (tmp_path / "pids").read_text().split())
    with pytest.raises(ProcessLookupError):
        os.kill(parent, 0)
    async with asyncio.timeout(10):
        while _runs(child):
            await asyncio.sleep(0.01)


def _runs(pid: int) -> bool:
    """Return whether a process has not ended; one that nobody has reaped yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


async def test_a_candidate_that_is_good_enough_waits_for_the_gates(
    repository: RolloutRepository, tmp_path: Path
) -> None:
    await started(repository)
    async with repository.database.begin() as connection:
        await transition(connection, "r1", Action.ADVANCE, actor="test", reason="")
    worker = Worker(repository)
    await primed(repository, worker, 1)
    missing = {"holds": False, "missing": ["3.serve is stale: vllm_runtime.pex has changed"]}
    judging = controller(repository, "c", gates=saying(missing, 1))
    for _ in range(3):
        await worker.report(counted(1))
        await judging.look()
    held = [event for event in await repository.events("r1") if event.kind == "held"]
    assert [event.figures["gates"] for event in held] == [missing], "said once"
    assert held[0].sentence == (
        "Ready to be promoted, but not promoted: The gates do not hold: "
        "3.serve is stale: vllm_runtime.pex has changed."
    )

    follower = Follower(repository, RolloutAssignment(), StopFile(tmp_path))
    service = RolloutService(repository, follower)
    with pytest.raises(ApiError, match="3.serve is stale"):
        await service.promote("r1", Gates(saying(missing, 1), tmp_path), "key_1", "", None)
    rollout = await repository.get("r1")
    assert rollout is not None
    assert rollout.course.status is Status.RUNNING

    await service.promote("r1", Gates(GATES_HOLD, tmp_path), "key_1", "", None)
    assert (await kinds_of_events(repository))[-1] == "promoted"
