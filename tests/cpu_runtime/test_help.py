"""Help, as whoever runs the program reads it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_shows_defaults_units_and_examples(flag: str) -> None:
    def help_of(*command: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "cpu_runtime", *command, flag],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100"},
        )
        return " ".join(ran.stdout.split())

    assert "Examples: python -m cpu_runtime serve" in help_of()
    serve = help_of("serve")
    assert serve.startswith("Usage: python -m cpu_runtime serve")
    for said in ("[default: 8192; x>=256]", "in tokens", "in seconds", "[default: 127.0.0.1]"):
        assert said in serve
