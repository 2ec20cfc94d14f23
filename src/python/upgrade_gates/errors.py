"""The package's error tree. Every message is a sentence for the person at the terminal."""

from __future__ import annotations


class GatesError(Exception):
    """Root of everything this package raises on purpose: what was asked cannot be answered."""


class DocumentNotFound(GatesError):
    """No document with the gates is where it was looked for."""


class DocumentUnusable(GatesError):
    """The document cannot be read, or has no gates."""
