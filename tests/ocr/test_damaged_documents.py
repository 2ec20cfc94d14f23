"""Damaged documents are refused, or their pages fail; nothing crashes, and nothing hangs."""

from __future__ import annotations

import os
import subprocess
import sys

import ocr_testing.fuzzing  # noqa: F401 - run as a module

SECONDS = 180.0


def test_damaged_documents_neither_crash_nor_hang() -> None:
    path = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-m", "ocr_testing.fuzzing", "0", "700"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"after document {done.stdout[-200:]}\n{done.stderr[-4000:]}"
    outcomes = done.stdout.splitlines()[-1]
    for outcome in ("complete", "partial", "failed", "document_broken"):
        assert outcome in outcomes
