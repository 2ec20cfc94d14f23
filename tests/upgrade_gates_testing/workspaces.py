"""Workspaces, and evidence in them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.evidence.store import Finding
from upgrade_gates.session import Session, open_session

LOCK = """\
# Made by build-support/lock; do not edit.
# as-of: 2026-01-15
# python: 3.11
# input-sha256: {input}
torch==2.9.0 \\
    --hash=sha256:{zeros}
vllm==0.13.0 \\
    --hash=sha256:{zeros}
"""


def make_workspace(folder: Path, context: str = "") -> Session:
    """Make a workspace with this `upgrade.toml`, and open it."""
    file = folder / ".upgrade" / "upgrade.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(context, encoding="utf-8")
    return open_session(folder)


def lock_text() -> str:
    """Return a small lock of the engine's stack."""
    return LOCK.format(input="0" * 64, zeros="0" * 64)


def finding(
    check: str,
    verdict: Verdict = Verdict.PASS,
    *,
    reason: str = "seen",
    subjects: Mapping[str, str] | None = None,
    output: str = "",
    age: datetime.timedelta = datetime.timedelta(),
) -> Finding:
    """Return a finding that was made some time ago."""
    then = datetime.datetime.now(datetime.UTC) - age
    return Finding(
        check=check,
        verdict=verdict,
        reason=reason,
        started_at=then,
        finished_at=then,
        subjects=subjects or {},
        output=output,
    )
