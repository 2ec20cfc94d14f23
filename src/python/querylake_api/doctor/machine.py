"""This machine: room on the disk, open files, the folder that processes share, and this program."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from querylake_api.configuration.loading import Configuration
from querylake_api.doctor.findings import Finding, fault, good, warning
from querylake_api.http_server import exchange
from querylake_api.workers.errors import StateFolderUnusable
from querylake_api.workers.state_folder import prepare_state_folder

LOW_DISK_BYTES = 1_000_000_000
"""Usage records wait on the disk while the database is away."""

LOW_OPEN_FILES = 4096
"""A request under way takes two: the client's connection and the engine's."""


def examine_machine(configuration: Configuration) -> Iterator[Finding]:
    """Look at what every process of the machine needs."""
    yield _state_folder(configuration.state_folder())
    yield _open_files()
    yield request_path(exchange.__file__)


def _state_folder(folder: Path) -> Finding:
    subject = "state folder"
    try:
        prepare_state_folder(folder)
    except StateFolderUnusable as error:
        return fault(subject, str(error), "see the message")
    free = shutil.disk_usage(folder).free
    detail = f"{folder}, {free / 1e9:.1f} GB free"
    if free < LOW_DISK_BYTES:
        return warning(subject, detail, "make room, or name another folder in server.state_dir")
    return good(subject, detail)


def _open_files() -> Finding:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= LOW_OPEN_FILES:
        return good("open files", "no limit" if limit == resource.RLIM_INFINITY else f"{limit}")
    return warning(
        "open files",
        f"at most {limit}, so about {limit // 2} requests at once",
        "raise it: LimitNOFILE=65536 in the systemd unit, or `ulimit -n 65536`",
    )


_CHECKOUT = "pants.toml"
"""What a folder holds that sources are run from, as `./querylake up` does on a laptop."""


def request_path(file: str) -> Finding:
    """Look at what runs for each request: compiled, or what takes longer.

    Args:
        file: of one of the modules that are compiled where that is possible.
    """
    subject = "request path"
    if not file.endswith(".py"):
        return good(subject, "compiled")
    if any((folder / _CHECKOUT).is_file() for folder in Path(file).parents):
        return good(subject, "interpreted, from a checkout; `./pants package-light` compiles it")
    return warning(
        subject,
        "interpreted, so a request takes some 40 to 70% more processor time",
        "build where a C compiler and Python's headers are, and run with CPython 3.11 of that kind",
    )
