"""The program as a process of its own, from its sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import upgrade_gates.__main__  # noqa: F401 - run as a module


def run(
    folder: Path, *arguments: str, seconds: float = 60, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder, to its end."""
    path = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-P", "-m", "upgrade_gates", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "140", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
