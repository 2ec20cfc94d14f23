"""What one supervisor leaves where the next one on the same port finds it.

Whoever is killed with SIGKILL cannot end what it started. The file of processes lets its successor
do that; the lock tells it whether there is a predecessor that still lives.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vllm_runtime.errors import AlreadySupervised, StateFolderUnusable

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PRIVATE = 0o700


def default_state_folder() -> Path:
    """Return a folder for this user that a reboot may empty: so do processes end."""
    return Path(tempfile.gettempdir()) / f"vllm_runtime-{os.geteuid()}"


class RunFolder:
    """The folder of the supervisor on one port, which holds its lock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def closed_file(self) -> Path:
        """Exists once the engine is to refuse new requests."""
        return self._path / "closed"

    @property
    def _processes(self) -> Path:
        return self._path / "processes.json"

    def close_gate(self) -> None:
        """Let the engine refuse new requests from now on."""
        self.closed_file.touch()

    def open_gate(self) -> None:
        """Let the engine take requests."""
        self.closed_file.unlink(missing_ok=True)

    def record(self, processes: Mapping[int, int]) -> None:
        """Note the engine's processes: when each started, by its id."""
        content = {"boot": _boot_id(), "processes": dict(processes)}
        temporary = self._processes.with_suffix(".part")
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(self._processes)

    def recorded(self) -> dict[int, int]:
        """Return what was last noted; nothing if the machine has been started since."""
        try:
            content = json.loads(self._processes.read_text(encoding="utf-8"))
            if content["boot"] != _boot_id():
                return {}
            return {int(pid): int(started) for pid, started in content["processes"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # Written in part when the machine went down, or not by us: it names nobody.
            return {}


@contextmanager
def run_folder(state: Path, port: int) -> Iterator[RunFolder]:
    """Hold the folder of one engine port.

    Args:
        state: the parent of such folders; made if it is missing.
        port: the engine's.

    Raises:
        AlreadySupervised: another supervisor holds it.
        StateFolderUnusable: it cannot be had.
    """
    path = state / f"port-{port}"
    try:
        state.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        _require_own(state)
        path.mkdir(mode=_PRIVATE, exist_ok=True)
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateFolderUnusable(
            f"the state folder {path} cannot be used: {error.strerror}; name another with "
            "--state-dir"
        ) from None
    with os.fdopen(descriptor) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadySupervised(
                f"another vllm_runtime serves port {port}; stop that one, or give another with "
                "--port"
            ) from None
        yield RunFolder(path)


def _require_own(folder: Path) -> None:
    status = folder.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise StateFolderUnusable(
            f"the state folder {folder} must belong to this user alone (mode 700); correct it, or "
            "name another with --state-dir"
        )


def _boot_id() -> str:
    return _BOOT_ID.read_text(encoding="ascii").strip()
