"""A small file system that is full, for programs that run on it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from querylake_api_testing.process import environment


def _may_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return tried.returncode == 0


needs_mounts = pytest.mark.skipif(
    not _may_mount(), reason="only root can mount a small file system (unshare -m)"
)

_MOUNT = 'mount -t tmpfs -o "size=$1,mode=755" tmpfs "$2" && eval "$3" && shift 3 && exec "$@"'


async def on_small_disk(
    disk: Path, kilobytes: int, *arguments: str, prepare: str = "true"
) -> asyncio.subprocess.Process:
    """Start the product in a mount namespace of its own, in which a folder is a small disk.

    Args:
        disk: an empty folder, over which the disk is mounted.
        prepare: what a shell does after that.
    """
    words = ["sh", "-c", _MOUNT, "sh", f"{kilobytes}k", str(disk), prepare]
    return await asyncio.create_subprocess_exec(
        *("unshare", "-m", "--propagation", "private"),
        *(*words, sys.executable, "-m", "querylake_api", *arguments),
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        env=environment(),
    )


def fill(process: asyncio.subprocess.Process, disk: Path) -> None:
    """Fill the disk that a running process sees."""
    seen = Path(f"/proc/{process.pid}/root") / disk.relative_to("/") / "filling"
    size = 1024 * 1024
    with seen.open("wb", buffering=0) as file:
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
