"""How `nvidia-smi` says that it cannot answer, in whichever format it was asked."""

from __future__ import annotations

import re
from enum import StrEnum


class SmiFailure(StrEnum):
    """Why `nvidia-smi` gave no answer."""

    NO_DRIVER = "the driver is not loaded, or does not answer"
    MISMATCH = "the loaded kernel module and the installed libraries have different versions"
    DENIED = "this user may not ask the driver"
    NO_DEVICES = "the driver runs, and finds no GPU"
    DEVICE_LOST = "a GPU does not answer any more"
    NO_LIBRARY = "the driver's libraries are not installed, or not found"
    OTHER = "NVML does not start"


# In this order: a general sentence may follow the particular one.
_SENTENCES = (
    (re.compile(r"driver/library version mismatch", re.IGNORECASE), SmiFailure.MISMATCH),
    (re.compile(r"nvml/rm version mismatch", re.IGNORECASE), SmiFailure.MISMATCH),
    # The tool's own spelling differs from that of its library.
    (re.compile(r"(?:in|not have )suff[ei]cient permissions", re.IGNORECASE), SmiFailure.DENIED),
    (
        re.compile(r"could(?:n'?t| not) communicate with (?:the )?nvidia driver", re.IGNORECASE),
        SmiFailure.NO_DRIVER,
    ),
    (re.compile(r"initialize nvml: driver not loaded", re.IGNORECASE), SmiFailure.NO_DRIVER),
    (
        re.compile(r"unable to (?:determine|detect) the device handle", re.IGNORECASE),
        SmiFailure.DEVICE_LOST,
    ),
    (re.compile(r"gpu is lost", re.IGNORECASE), SmiFailure.DEVICE_LOST),
    (re.compile(r"no devices (?:were )?found", re.IGNORECASE), SmiFailure.NO_DEVICES),
    (
        re.compile(
            r"could(?:n'?t| not) find libnvidia-ml|libnvidia-ml\S* not found"
            r"|loading shared libraries: libnvidia-ml",
            re.IGNORECASE,
        ),
        SmiFailure.NO_LIBRARY,
    ),
    (
        re.compile(
            r"(?:failed|impossible) to initialize nvml|nvidia-smi has failed", re.IGNORECASE
        ),
        SmiFailure.OTHER,
    ),
)

_BEGINNING = re.compile(
    r"(?:(?:failed|impossible) to initialize nvml|failed to properly shut down nvml"
    r"|nvidia-smi (?:has failed|couldn'?t|could not)|(?:\S*/)?nvidia-smi: error while loading"
    r"|no devices (?:were )?found|unable to (?:determine|detect) the device handle"
    r"|nvml library version|please also try adding directory)",
    re.IGNORECASE,
)


def find_failure(text: str) -> SmiFailure | None:
    """Return why there is no answer; None if nothing says so.

    Only lines that begin with one of the tool's own sentences count: the name of a process may hold
    any words.
    """
    lines = (line.strip() for line in text.splitlines())
    sentences = "\n".join(line for line in lines if is_failure_sentence(line))
    for sentence, failure in _SENTENCES:
        if sentence.search(sentences):
            return failure
    return None


def is_failure_sentence(line: str) -> bool:
    """Whether a stripped line begins as the tool's complaints do."""
    return _BEGINNING.match(line) is not None
