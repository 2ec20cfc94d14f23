"""One run of the program: the workspace, what it is about, and its evidence."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from upgrade_gates.artefacts import CurrentArtefacts
from upgrade_gates.context import UpgradeContext, read_context
from upgrade_gates.context_file import change
from upgrade_gates.errors import ContextUnusable
from upgrade_gates.evidence.digests import Digests
from upgrade_gates.evidence.store import EvidenceStore
from upgrade_gates.status.state import Judge
from upgrade_gates.workspace import Workspace, find_workspace


@dataclass(frozen=True)
class Session:
    """What every command works on."""

    workspace: Workspace
    context: UpgradeContext
    artefacts: CurrentArtefacts
    store: EvidenceStore

    def keeping(self, **values: Any) -> Session:
        """Return the session with values of `upgrade.toml` set, for good.

        What a command was given is what `status` must compare with later, so it is written down.

        Args:
            values: by key; for a table, its keys. None stands for not given.

        Raises:
            ContextUnusable: a value is wrong.
        """
        given = {
            key: (
                {name: item for name, item in value.items() if item is not None}
                if isinstance(value, dict)
                else value
            )
            for key, value in values.items()
        }
        given = {key: value for key, value in given.items() if value}
        if not given:
            return self
        change(self.workspace.context_file, given)
        return open_session(self.workspace.base)

    def require(self, table: Literal["serving", "old", "api", "ray"]) -> NoReturn:
        """Say that a table is needed. Raises `ContextUnusable`, always."""
        raise ContextUnusable(
            f"[{table}] is not in {self.workspace.context_file}; add it, or see --help for the "
            "options that do"
        )

    def judge(self) -> Judge:
        """Read the evidence, and judge it as of now."""
        return Judge(self.context, self.store.read(), self.artefacts, utc_now())


def open_session(folder: Path | None, *, fresh_digests: bool = False) -> Session:
    """Open the workspace of a folder, or the one that the working directory lies in.

    Args:
        folder: the folder that holds `.upgrade`; None searches upwards.
        fresh_digests: read every artefact again.

    Raises:
        GatesError: there is no workspace, or its `upgrade.toml` is wrong.
    """
    workspace = find_workspace(Path.cwd()) if folder is None else Workspace(folder.resolve())
    context = read_context(workspace.context_file)
    digests = Digests(workspace.digest_cache, fresh=fresh_digests)
    return Session(
        workspace,
        context,
        CurrentArtefacts(workspace, context, digests),
        EvidenceStore(workspace.evidence),
    )


def utc_now() -> datetime.datetime:
    """Return the time with its zone."""
    return datetime.datetime.now(datetime.UTC)
