"""What a command or a file said, kept as it was."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

LARGEST = 4_000_000
"""Bytes kept of one source; `nvidia-smi -q -x` of a machine with 16 GPUs is a tenth of it."""


class Trouble(StrEnum):
    """Why a source said nothing that can be used."""

    MISSING = "missing"
    """The command is not installed, or the file is not there."""

    DENIED = "permission denied"
    TIMED_OUT = "timed out"
    UNREADABLE = "unreadable"
    """Any other error of the operating system."""


class Output(BaseModel):
    """What one source said.

    Attributes:
        source: the command line, or the path.
        text: standard output, or the file's content.
        errors: standard error of a command.
        exit_code: of a command that ended; a negative number is the signal that ended it.
        trouble: None if the source could be asked at all. A command that ran and complained has an
            exit code and no trouble.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    text: str = ""
    errors: str = ""
    exit_code: int | None = None
    trouble: Trouble | None = None

    @property
    def said(self) -> str:
        """Everything it said: tools of this field complain on either stream."""
        return f"{self.text}\n{self.errors}" if self.errors else self.text

    @property
    def usable(self) -> bool:
        """Whether it answered, and did not complain by its exit code."""
        return self.trouble is None and self.exit_code in (0, None)

    @property
    def outcome(self) -> str:
        """Return in a few words how it went, for a person."""
        if self.trouble is not None:
            return f"{self.source}: {self.trouble}"
        if self.usable:
            return f"{self.source}: recorded"
        first = next((line.strip() for line in self.said.splitlines() if line.strip()), "no words")
        return f"{self.source}: exit code {self.exit_code} ({first})"


def decoded(raw: bytes) -> str:
    """Return any bytes as text; what is not UTF-8 becomes the replacement character."""
    return raw[:LARGEST].decode("utf-8", errors="replace")
