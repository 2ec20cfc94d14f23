"""What a reload is, whoever carries it out: this process, or the parent of several."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel, ConfigDict

from querylake_api.configuration.loading import Configuration

_ONLY_AT_START = ("host", "port", "workers", "state_dir", "drain_seconds")
"""Keys of `[server]` that a running process cannot follow."""


class WorkerState(BaseModel):
    """What one process runs.

    Attributes:
        index: its number among the processes of the machine.
        generation: how many configurations the server has had, with this one.
        digest: of the configuration; see `Configuration.digest`.
    """

    model_config = ConfigDict(frozen=True)

    index: int
    pid: int
    generation: int
    digest: str


class ReloadReport(BaseModel):
    """How a reload went that was not refused.

    Attributes:
        changed: whether there was anything new; if not, nothing was done.
        restart_needed: what has changed in the file and takes effect only when the server is
            started again.
        workers: what each process runs now.
        failures: one sentence for each process that could not follow.
    """

    model_config = ConfigDict(frozen=True)

    changed: bool
    restart_needed: list[str]
    workers: list[WorkerState]
    failures: list[str] = []


class Reloader(Protocol):
    """Brings a changed configuration to every process of the server."""

    async def reload(self) -> ReloadReport:
        """Read the configuration again, and have it adopted for requests that come from now on.

        Raises:
            ConfigurationError: it is refused; every process keeps the one that it has.
        """
        ...

    def workers(self) -> list[WorkerState]:
        """Return what each process runs."""
        ...


def needs_restart(old: Configuration, new: Configuration) -> list[str]:
    """Return the keys that differ and that only a new process follows."""
    before, after = old.settings, new.settings
    changed = [
        f"server.{key}"
        for key in _ONLY_AT_START
        if getattr(before.server, key) != getattr(after.server, key)
    ]
    if before.database != after.database:
        changed.append("database.url")
    if before.usage != after.usage:
        changed.append("usage.max_spool_bytes")
    return changed
