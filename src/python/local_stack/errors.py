"""The package's error tree. Every message is a sentence for the person at the terminal."""

from __future__ import annotations

from collections.abc import Sequence


class LocalStackError(Exception):
    """Root of everything this package raises on purpose.

    Attributes:
        evidence: lines of somebody else's output that show what happened, oldest first.
    """

    def __init__(self, message: str, *, evidence: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.evidence = tuple(evidence)


class PortUnavailable(LocalStackError):
    """A port is taken, or may not be used."""


class DataDirUnusable(LocalStackError):
    """The data folder, or a file in it, cannot be used."""


class AlreadyRunning(LocalStackError):
    """Another `up` works on the same data folder."""


class DiskFull(LocalStackError):
    """Too little room to go on."""


class ConfigUnusable(LocalStackError):
    """The configuration file cannot be read, or contradicts the command line."""


class BuildFailed(LocalStackError):
    """A program is missing, or could not be built."""


class ChildFailed(LocalStackError):
    """A program that we started ended by itself, failed, or is not ready in time."""


class NotStopped(LocalStackError):
    """A stack that was asked to stop still runs."""


class OutputGone(LocalStackError):
    """Nobody reads our output any more, so nobody would see what goes on or stop it."""
