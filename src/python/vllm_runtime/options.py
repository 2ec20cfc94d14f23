"""Types of command-line options, with messages that say what would be right."""

from __future__ import annotations

from argparse import ArgumentTypeError


def port(text: str) -> int:
    """Read a port that can be listened on.

    Raises:
        ArgumentTypeError: it is not one.
    """
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ArgumentTypeError(f"{text!r} is not a port; give a number from 1 to 65535")
    return int(text)


def count(text: str) -> int:
    """Read a number of things, which may be 0.

    Raises:
        ArgumentTypeError: it is not one.
    """
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a count; give 0 or more")
    return int(text)


def duration(text: str) -> float:
    """Read a number of seconds, which may be 0.

    Raises:
        ArgumentTypeError: it is not one.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds; give 0 or more")
    return seconds
