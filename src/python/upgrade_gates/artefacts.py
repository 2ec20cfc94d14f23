"""The artefacts of an upgrade as they are now, by the names that evidence uses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel

from upgrade_gates.context import Artefacts, UpgradeContext
from upgrade_gates.errors import ContextUnusable
from upgrade_gates.evidence.digests import Digests
from upgrade_gates.workspace import Workspace

FILES = tuple(Artefacts.model_fields)
"""Names of artefacts that are files or folders."""

SETTING = "setting:"
"""Before the name of a value or table of `upgrade.toml` that evidence is bound to."""

BILL = "sbom:"
"""Before the name of a bill of materials that this program has written."""


class CurrentArtefacts:
    """What `upgrade.toml` names, and what it is now."""

    def __init__(self, workspace: Workspace, context: UpgradeContext, digests: Digests) -> None:
        self._workspace = workspace
        self._context = context
        self._digests = digests

    def path(self, name: str) -> Path | None:
        """Return where a file is; None if `upgrade.toml` does not name it."""
        value: Path | None = getattr(self._context.artefacts, name)
        return None if value is None else self._workspace.base / value

    def required_path(self, name: str) -> Path:
        """Return where a file is.

        Raises:
            ContextUnusable: it is not named, or not there.
        """
        path = self.path(name)
        if path is None:
            raise ContextUnusable(
                f'artefacts.{name} is not set; write {name} = "PATH" below [artefacts] in '
                f"{self._workspace.context_file}"
            )
        if not path.exists():
            raise ContextUnusable(
                f"artefacts.{name} is {path}, and nothing is there; build it, or correct "
                f"{self._workspace.context_file}"
            )
        return path

    def named(self, name: str) -> bool:
        """Whether `upgrade.toml` names an artefact, there or not."""
        if name.startswith(SETTING):
            return self._setting(name) is not None
        if name.startswith(BILL):
            return True
        return name in FILES and self.path(name) is not None

    def known(self, name: str) -> bool:
        """Whether this is a name that can be looked up here."""
        if name in FILES or name.startswith(BILL):
            return True
        return name.removeprefix(SETTING) in UpgradeContext.model_fields

    def digest(self, name: str) -> str | None:
        """Return the digest of an artefact now; None if it is not named or not there.

        Raises:
            ArtefactUnusable: it cannot be read.
        """
        if name.startswith(SETTING):
            value = self._setting(name)
            return None if value is None else hashlib.sha256(value.encode()).hexdigest()
        if name.startswith(BILL):
            bill = self._workspace.bills / name.removeprefix(BILL)
            return self._digests.of(bill) if bill.is_file() else None
        path = self.path(name) if name in FILES else None
        return None if path is None else self._digests.of(path)

    def digests(self, names: Iterable[str]) -> dict[str, str]:
        """Return the digests of those artefacts that are there."""
        found = ((name, self.digest(name)) for name in names)
        return {name: digest for name, digest in found if digest is not None}

    def _setting(self, name: str) -> str | None:
        """Return a value as canonical text."""
        value = getattr(self._context, name.removeprefix(SETTING), None)
        if value is None:
            return None
        return value.model_dump_json() if isinstance(value, BaseModel) else str(value)
