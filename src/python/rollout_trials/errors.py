"""The package's error tree. Every message is a sentence for the person at the terminal."""

from __future__ import annotations


class TrialError(Exception):
    """Root of everything this package raises on purpose."""


class ProgramFailed(TrialError):
    """A program did not start, or ended by itself."""


class ApiRefused(TrialError):
    """The API did not do what it was asked."""


class TookTooLong(TrialError):
    """Something that has to happen has not."""
