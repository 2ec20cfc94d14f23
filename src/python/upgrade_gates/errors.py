"""The package's error tree. Every message is a sentence for the person at the terminal."""

from __future__ import annotations


class GatesError(Exception):
    """Root of everything this package raises on purpose: what was asked cannot be answered."""


class WorkspaceMissing(GatesError):
    """No folder with the state of an upgrade is where it was looked for."""


class ContextUnusable(GatesError):
    """`upgrade.toml` cannot be read, is wrong, or lacks what a command needs."""


class EvidenceUnusable(GatesError):
    """Evidence cannot be written or read at all. A damaged record is not this: it is reported."""


class UnknownLine(GatesError):
    """A gate or line that the checklist does not have."""


class ArtefactUnusable(GatesError):
    """A file that a check was told to look at is not what it must be."""
