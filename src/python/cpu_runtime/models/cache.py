"""The folder for files that are made once, and making them so that nobody sees half a file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from cpu_runtime.errors import CacheUnusable

CACHE_VARIABLE = "QUERYLAKE_CACHE_DIR"
_REMEDY = f"set {CACHE_VARIABLE} to a folder that can be written"


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return where made files are kept.

    https://specifications.freedesktop.org/basedir-spec/latest/ says that relative paths in
    XDG_CACHE_HOME count as not set.

    Raises:
        CacheUnusable: there is no home folder to put it in.
    """
    if named := environment.get(CACHE_VARIABLE):
        return Path(named).absolute() / "cpu_runtime"
    shared = environment.get("XDG_CACHE_HOME", "")
    if os.path.isabs(shared):
        return Path(shared) / "querylake" / "cpu_runtime"
    try:
        return Path.home() / ".cache" / "querylake" / "cpu_runtime"
    except RuntimeError:
        raise CacheUnusable(f"there is no home folder for the cache; {_REMEDY}") from None


def made_once(path: Path, make: Callable[[Path], None]) -> Path:
    """Return a file of the cache, made if it is not there yet.

    Whoever comes second while it is being made waits for it. A file appears under its name only
    when it is complete and on the disk.

    Args:
        make: writes the file to the path that it is given.

    Raises:
        CacheUnusable: the folder or the file cannot be written.
    """
    if path.is_file():
        return path
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(path.name + ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.is_file():
                make(partial)
                _settle(partial, path)
    except OSError as error:
        raise CacheUnusable(
            f"{path.name} cannot be written to {path.parent}: {error.strerror}; {_REMEDY}"
        ) from None
    return path


def _settle(partial: Path, path: Path) -> None:
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.replace(path)
