"""The files of a revision, in a folder of their own."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

WORKING_TREE = "working tree"
"""Stands for the files as they are, committed or not."""

_FOLDERS = ("src/python", "tests", "build-support")


class RevisionError(Exception):
    """Git cannot give a revision; the message says which, and what git said."""


def extract(repository: Path, revision: str, into: Path) -> None:
    """Write the sources and tests of a revision below a folder.

    Raises:
        RevisionError: there is no such revision, or it lacks the folders that are compared.
    """
    done = subprocess.run(
        ["git", "archive", "--format=tar", revision, *_FOLDERS],
        cwd=repository,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise RevisionError(
            f"git has no {revision!r} with {', '.join(_FOLDERS)}: {done.stderr.decode().strip()}"
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(into, filter="data")


def title_of(repository: Path, revision: str) -> str:
    """Return the short name of a revision, for the head of a column."""
    if revision == WORKING_TREE:
        return revision
    done = subprocess.run(
        ["git", "rev-parse", "--short", f"{revision}^{{commit}}"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RevisionError(f"git has no revision {revision!r}: {done.stderr.strip()}")
    return done.stdout.strip()
