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


class WindowUnusable(GatesError):
    """A maintenance window that cannot be understood, is past, or is too short."""


class OwnerUnusable(GatesError):
    """An owner who is no named person."""


class RecordMissing(GatesError):
    """There is no usable record of the host, so that nothing can be planned from it."""


class PlanRefused(GatesError):
    """The driver of this host cannot be planned; the message says what stands in the way."""


class AdminRefused(GatesError):
    """The API's admin routes refuse or cannot do what a check needs.

    Attributes:
        status: of the response; None where there was none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class EngineUnusable(GatesError):
    """An engine that is to be compared does not answer, or serves no model."""


class PromptsUnusable(GatesError):
    """A file of prompts or requests cannot be read."""


class RecordingUnusable(GatesError):
    """A recording of an engine cannot be written or read, or lacks what is asked."""
