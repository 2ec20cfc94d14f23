"""How a machine is asked: commands with a time limit and without translations, and files."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bounded_process import run_bounded
from upgrade_gates.host.output import LARGEST, Output, Trouble, decoded

SECONDS = 60.0
"""How long one command may take. `nvidia-smi` needs half a minute on a machine with many GPUs and
no persistence mode; a wedged driver lets it hang for ever."""

_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine that is asked.

    Attributes:
        root: where its files are; another folder than `/` is a machine laid out for a test, or a
            mounted disk.
        path: folders in which commands are looked for.
        seconds: time limit for each command.
    """

    root: Path = Path("/")
    path: str = field(default_factory=lambda: _command_path(os.environ))
    seconds: float = SECONDS

    @property
    def prefix(self) -> str:
        """What goes before a path of the machine; nothing for the one that this runs on."""
        return "" if self.root == Path("/") else str(self.root)

    def run(self, *command: str) -> Output:
        """Run a command; never raises for what it does."""
        source = shlex.join(command)
        # Without LANGUAGE too: it goes before LC_ALL in every locale but C itself.
        environment = {
            name: value for name, value in os.environ.items() if name not in ("LANG", "LANGUAGE")
        }
        try:
            ended = run_bounded(
                command,
                seconds=self.seconds,
                env={**environment, "LC_ALL": "C", "PATH": self.path},
            )
        except OSError as error:
            return Output(source=source, trouble=_trouble(error))
        if ended.code is None:
            return Output(source=source, text=decoded(ended.stdout), trouble=Trouble.TIMED_OUT)
        return Output(
            source=source,
            text=decoded(ended.stdout),
            errors=decoded(ended.stderr),
            exit_code=ended.code,
        )

    def read(self, path: str) -> Output:
        """Read a file, given by its absolute path on the machine."""
        try:
            return Output(source=path, text=decoded(self._bytes(path)))
        except OSError as error:
            return Output(source=path, trouble=_trouble(error))

    def read_hex(self, path: str) -> Output:
        """Read a binary file as hexadecimal digits."""
        try:
            return Output(source=path, text=self._bytes(path).hex())
        except OSError as error:
            return Output(source=path, trouble=_trouble(error))

    def exists(self, path: str) -> Output:
        """Say whether something is at a path: its text is `present`, or its trouble `missing`."""
        try:
            self._place(path).stat()
        except OSError as error:
            return Output(source=path, trouble=_trouble(error))
        return Output(source=path, text="present")

    def target(self, path: str) -> Output:
        """Return the last part of what a link points to."""
        try:
            return Output(source=path, text=self._place(path).readlink().name)
        except OSError as error:
            return Output(source=path, trouble=_trouble(error))

    def names(self, path: str) -> Output:
        """Return the names in a folder, sorted, one on each line."""
        try:
            names = sorted(entry.name for entry in self._place(path).iterdir())
        except OSError as error:
            return Output(source=path, trouble=_trouble(error))
        return Output(source=path, text="\n".join(names))

    def _bytes(self, path: str) -> bytes:
        with self._place(path).open("rb") as file:
            return file.read(LARGEST)

    def _place(self, path: str) -> Path:
        return self.root / path.lstrip("/")


def _command_path(environment: Mapping[str, str]) -> str:
    """Return PATH with the folders of administrators' tools, which users' PATH often lacks."""
    given = [folder for folder in environment.get("PATH", "").split(os.pathsep) if folder]
    return os.pathsep.join([*given, *(each for each in _SYSTEM_FOLDERS if each not in given)])


def _trouble(error: OSError) -> Trouble:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Trouble.MISSING
    if isinstance(error, PermissionError):
        return Trouble.DENIED
    return Trouble.UNREADABLE
