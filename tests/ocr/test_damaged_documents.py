"""Damaged documents are refused, or their pages fail; nothing crashes, and nothing hangs."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType

import ocr_testing.fuzzing
import ocr_testing.service_fuzzing

SECONDS = 180.0


def run(program: ModuleType, *arguments: str) -> str:
    path = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-m", program.__name__, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def test_damaged_documents_neither_crash_nor_hang() -> None:
    outcomes = run(ocr_testing.fuzzing, "0", "700").splitlines()[-1]
    for outcome in ("complete", "partial", "failed", "document_broken"):
        assert outcome in outcomes


def test_damaged_documents_do_the_running_service_no_harm() -> None:
    outcomes = run(ocr_testing.service_fuzzing, "--count", "300")
    for outcome in (" complete", "document_broken", "job complete", "format_unknown"):
        assert outcome in outcomes
