"""What every built program answers without anything around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e_testing.programs import run
from querylake_version import VERSION

PROGRAMS = ("cpu_runtime.pex", "ocr.pex", "querylake_api.pex", "upgrade_gates.pex")


@pytest.mark.parametrize("program", PROGRAMS)
def test_version_and_help(program: str, tmp_path: Path) -> None:
    version = run(program, "--version", cwd=tmp_path)
    assert (version.returncode, version.stderr) == (0, "")
    assert VERSION in version.stdout
    assert "Usage" in run(program, "--help", cwd=tmp_path).stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_unknown_command_is_a_usage_error(program: str, tmp_path: Path) -> None:
    answer = run(program, "no-such-command", cwd=tmp_path)
    assert answer.returncode == 2
    assert "no-such-command" in answer.stderr
    assert "Traceback" not in answer.stderr
