"""Dummy packages, and an archive of them that apt reads from a folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DPKG_DEB = "/usr/bin/dpkg-deb"


@dataclass(frozen=True)
class Deb:
    """A package.

    Attributes:
        relations: control fields such as `Depends`, by name.
        files: contents by path, without the leading slash.
        scripts: maintainer scripts by name.
    """

    name: str
    version: str
    architecture: str = "amd64"
    relations: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    scripts: tuple[tuple[str, str], ...] = ()

    @property
    def control(self) -> str:
        """The control file."""
        fields = [
            ("Package", self.name),
            ("Version", self.version),
            ("Architecture", self.architecture),
            ("Maintainer", "Bench <bench@example.org>"),
            *self.relations,
            ("Description", "a dummy"),
        ]
        return "".join(f"{name}: {value}\n" for name, value in fields)

    @property
    def file_name(self) -> str:
        """The name that apt gives the file."""
        version = self.version.replace(":", "%3a")
        return f"{self.name}_{version}_{self.architecture}.deb"


class DebStore:
    """Built packages, each built once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def file(self, deb: Deb) -> Path:
        """Return a package's file."""
        digest = hashlib.sha256(repr(deb).encode()).hexdigest()[:12]
        place = self.folder / digest / deb.file_name
        if not place.exists():
            _build(deb, place)
        return place


def _build(deb: Deb, place: Path) -> None:
    tree = place.parent / "tree"
    control = tree / "DEBIAN"
    control.mkdir(parents=True)
    (control / "control").write_text(deb.control)
    for name, text in deb.scripts:
        (control / name).write_text(text)
        (control / name).chmod(0o755)
    for path, text in deb.files:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    command = [DPKG_DEB, "-Znone", "--root-owner-group", "--build", str(tree), str(place)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    shutil.rmtree(tree)


class Archive:
    """A folder that apt reads as an archive: what it offers can change from day to day."""

    def __init__(self, folder: Path, store: DebStore, architectures: tuple[str, ...]) -> None:
        self.folder = folder
        self.store = store
        self.architectures = (*architectures, "all")
        self.debs: tuple[Deb, ...] = ()
        folder.mkdir(parents=True)

    @property
    def source(self) -> str:
        """The line for sources.list."""
        return f"deb [trusted=yes] file:{self.folder} ./\n"

    def offer(self, debs: Iterable[Deb]) -> None:
        """Offer exactly these packages from now on."""
        self.debs = tuple(deb for deb in debs if deb.architecture in self.architectures)
        for old in self.folder.glob("*.deb"):
            old.unlink()
        entries = []
        for deb in self.debs:
            file = self.store.file(deb)
            shutil.copy(file, self.folder / file.name)
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            entries.append(
                f"{deb.control}Filename: ./{file.name}\nSize: {file.stat().st_size}\n"
                f"SHA256: {digest}\n"
            )
        (self.folder / "Packages").write_text("\n".join(entries))
