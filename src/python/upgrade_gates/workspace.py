"""Where an upgrade keeps its state: the folder `.upgrade` beside the things it is about."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from upgrade_gates.errors import WorkspaceMissing

FOLDER = ".upgrade"


@dataclass(frozen=True)
class Workspace:
    """The state of one upgrade.

    Attributes:
        base: the folder that holds `.upgrade`; relative paths in `upgrade.toml` start here.
    """

    base: Path

    @property
    def folder(self) -> Path:
        """Everything that this program writes lies below it."""
        return self.base / FOLDER

    @property
    def context_file(self) -> Path:
        """What the upgrade is about, for people to edit."""
        return self.folder / "upgrade.toml"

    @property
    def evidence(self) -> Path:
        """The records."""
        return self.folder / "evidence"

    @property
    def bills(self) -> Path:
        """Bills of materials."""
        return self.folder / "sbom"

    @property
    def digest_cache(self) -> Path:
        """Digests of large files, so that they are read only when they change."""
        return self.folder / "digests.json"


def find_workspace(start: Path) -> Workspace:
    """Return the workspace of a folder, or of the nearest one above it.

    Raises:
        WorkspaceMissing: there is none.
    """
    for base in (start, *start.parents):
        if os.path.isfile(base / FOLDER / "upgrade.toml"):  # also where a folder cannot be read
            return Workspace(base)
    raise WorkspaceMissing(
        f"there is no {FOLDER}/upgrade.toml in {start} or above it; begin an upgrade with: "
        "upgrade_gates init"
    )
