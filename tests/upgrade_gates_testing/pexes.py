"""Small PEX files, built as Pex lays them out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SERVER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Listener:
    """A process that listens on a port of loopback."""

    pid: int
    port: int


@contextmanager
def listening_from(folder: Path, info: str | None) -> Iterator[Listener]:
    """Run a server from a virtual environment as Pex makes one of a PEX with this PEX-INFO.

    Args:
        info: None for an environment that no PEX was unpacked into.
    """
    (folder / "bin").mkdir(parents=True)
    if info is not None:
        (folder / "PEX-INFO").write_text(info)
    python = folder / "bin" / "python"
    os.symlink(sys.executable, python)
    pipe = subprocess.PIPE
    with subprocess.Popen([python, "-c", _SERVER], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            yield Listener(process.pid, int(process.stdout.readline()))
        finally:
            process.communicate()


def pex_info(versions: Mapping[str, str], entry_point: str | None = None) -> str:
    """Return a PEX-INFO that lists distributions."""
    wheels = {
        f"{name.replace('-', '_')}-{version}-py3-none-any.whl": "0" * 64
        for name, version in versions.items()
    }
    return json.dumps(
        {
            "code_hash": "c" * 40,
            "entry_point": entry_point,
            "distributions": wheels,
            "interpreter_constraints": ["CPython==3.11.*"],
        }
    )


def packed_pex(folder: Path, versions: Mapping[str, str], program: str) -> Path:
    """Make a packed PEX, which is a folder, that runs a program. Its wheels are empty."""
    (folder / ".deps").mkdir(parents=True)
    for wheel in json.loads(pex_info(versions))["distributions"]:
        (folder / ".deps" / wheel).touch()
    (folder / "PEX-INFO").write_text(pex_info(versions))
    (folder / "__main__.py").write_text(program)
    return folder


def zipped_pex(
    file: Path, versions: Mapping[str, str], program: str, entry_point: str | None = None
) -> Path:
    """Make a PEX file that runs a program. The same content makes the same bytes."""
    info = pex_info(versions, entry_point)
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (("PEX-INFO", info), ("__main__.py", program)):
            archive.writestr(zipfile.ZipInfo(name), content)
        for wheel in json.loads(info)["distributions"]:
            archive.writestr(zipfile.ZipInfo(f".deps/{wheel}/RECORD"), "")
    return file
