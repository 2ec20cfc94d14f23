"""Replicas of the API on a cluster of this machine."""

from __future__ import annotations

from pathlib import Path

from request_replay.agreement import APPLICATION


def replicas() -> list[int]:
    """Return the processes of our replicas, by the names that Ray gives them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                title = (entry / "cmdline").read_text()
            except OSError:
                continue
            if title.startswith(f"ray::ServeReplica:{APPLICATION}:"):
                found.append(int(entry.name))
    return found
