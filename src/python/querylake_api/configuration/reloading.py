"""What a reload is, whoever carries it out: this process, or the parent of several."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from querylake_api.configuration.loading import Configuration
from querylake_api.settings import Settings

_ONLY_AT_START = (
    "host",
    "port",
    "workers",
    "state_dir",
    "drain_seconds",
    "max_head_bytes",
    "head_timeout_seconds",
    "send_timeout_seconds",
    "max_connections",
)
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


def reread(running: Configuration) -> tuple[Configuration, list[str]]:
    """Return what the file says now, as far as a running server can follow.

    Returns:
        The configuration, with what takes effect only at a start as it runs; and which keys of that
        kind are different in the file.

    Raises:
        ConfigurationError: the file is no good any more.
    """
    new = running.reread()
    before, after = running.settings, new.settings
    kept = {key: getattr(before.server, key) for key in _ONLY_AT_START}
    settings = after.model_copy(
        update={
            "server": after.server.model_copy(update=kept),
            "database": before.database,
            "usage": before.usage,
            "tracing": before.tracing,
        }
    )
    return replace(new, settings=settings), _needs_restart(before, after)


def _needs_restart(before: Settings, after: Settings) -> list[str]:
    changed = [
        f"server.{key}"
        for key in _ONLY_AT_START
        if getattr(before.server, key) != getattr(after.server, key)
    ]
    if before.database != after.database:
        changed.append("database.url")
    if before.usage != after.usage:
        changed.append("usage.max_spool_bytes")
    if before.tracing != after.tracing:
        changed.append("tracing")
    return changed
