"""The package's error tree: what stops a command, told to the person at the terminal."""

from __future__ import annotations

EX_UNAVAILABLE = 69
"""Exit code: something this program needs is missing or taken (sysexits.h)."""

EX_CONFIG = 78
"""Exit code: the configuration is wrong, so starting again will not help (sysexits.h)."""


class OcrError(Exception):
    """Root of everything this package raises on purpose.

    Attributes:
        exit_code: what the process ends with.
    """

    exit_code = EX_UNAVAILABLE


class AddressUnavailable(OcrError):
    """The address to listen on is taken, or may not be used."""


class EngineMissing(OcrError):
    """This environment holds no OCR engine."""


class KeyMissing(OcrError):
    """Other machines could connect, and nothing would ask them for a key."""

    exit_code = EX_CONFIG
