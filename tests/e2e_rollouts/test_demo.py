"""The demonstration as a newcomer sees it: real engines, real faults, and nothing left behind."""

from __future__ import annotations

import subprocess

from e2e_testing.programs import Program, pex
from querylake_api_testing.databases import database_folder


def test_a_healthy_rollout_is_promoted_and_faulty_ones_are_rolled_back() -> None:
    with database_folder() as folder:
        program = Program.start(
            *("rollout_trials.pex", "demo", "--folder", str(folder / "demo")),
            *("--api", str(pex("querylake_api.pex"))),
            *("--runtime", str(pex("cpu_runtime.pex"))),
            cwd=folder,
        )
        try:
            code = program.process.wait(550)
        finally:
            program.process.kill()
        output = "".join(program.output)
        assert code == 0, output
        assert output.count("Promoted ") == 1, output
        assert output.count("Rolled back ") == 3, output
        assert "/ui/rollouts" in output
        left = subprocess.run(
            ["pgrep", "-f", str(folder)], capture_output=True, text=True, check=False
        )
        assert left.stdout == "", "processes that still use the folder"
