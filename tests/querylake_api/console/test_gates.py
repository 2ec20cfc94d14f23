"""`/admin/gates` says what `rollouts.gates_command` says, and runs it rarely."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from querylake_api_testing.rollout_stage import Stage, rollout_stage

DOCUMENT: dict[str, Any] = {
    "holds": False,
    "missing": ["5.baseline: stale (run: upgrade_gates serving verify)"],
    "gates": [{"gate": 5, "holds": False, "lines": []}],
}


def counting(folder: Path) -> list[str]:
    """Return a command that says that a gate is missing, and leaves a line each time."""
    program = (
        f"open({str(folder / 'runs')!r}, 'a').write('x'); print({json.dumps(DOCUMENT)!r}); exit(1)"
    )
    return [sys.executable, "-c", program]


async def gates(stage: Stage, *, fresh: bool = False) -> dict[str, Any]:
    """Return the state of the gates."""
    api = stage.api
    response = await api.get(f"/admin/gates?fresh={fresh}", key=api.admin_key)
    assert response.status_code == 200
    state: dict[str, Any] = response.json()
    return state


async def test_the_gates_say_what_is_missing(tmp_path: Path, database_url: str) -> None:
    command = counting(tmp_path)
    async with rollout_stage(tmp_path, database_url, gates_command=command) as stage:
        states = await asyncio.gather(*(gates(stage) for _ in range(5)))
        assert states[0]["document"] == DOCUMENT
        assert not states[0]["holds"]
        assert "5.baseline: stale" in states[0]["refusal"]
        assert (tmp_path / "runs").read_text() == "x"
        await gates(stage, fresh=True)
        assert (tmp_path / "runs").read_text() == "xx"


async def test_without_a_command_it_says_so(tmp_path: Path, database_url: str) -> None:
    async with rollout_stage(tmp_path, database_url, gates_command=[]) as stage:
        state = await gates(stage)
        assert not state["configured"]
        assert "rollouts.gates_command" in state["refusal"]
