"""Lines of an engine's log that tell why it ended, and its last lines.

The wordings are those of vLLM 0.13.0 and 0.32.0, torch and argparse, read from recorded failures
and from their sources.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

TAIL_LINES = 50
MAX_LINE = 500

_RECENT_SECONDS = 60.0
"""An error that a running engine survived for longer than this is not why it ended."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""vLLM 0.13 colours the names of its processes even when nobody looks at a terminal."""

_PREFIX = re.compile(
    r"^\s*(?:\([^)]*pid=\d+\)\s*)?(?:(?:ERROR|WARNING|INFO|CRITICAL) \S+ \S+ \[\S+\]\s*)?"
)

_NO_PROOF = re.compile(r"Received request|dump_input\.py|(?:^|[\s\]])raise \w")
"""Lines that may repeat what a client sent, and lines of source code in a traceback."""


class Sign(Enum):
    """What a log line may say."""

    CUDA_MEMORY = auto()
    HOST_MEMORY = auto()
    CORE_KILLED = auto()
    CORE_DIED = auto()
    PORT = auto()
    MODEL = auto()
    DEVICE = auto()
    ARGUMENTS = auto()


_PATTERNS: Mapping[Sign, re.Pattern[str]] = {
    Sign.CUDA_MEMORY: re.compile(
        r"(?:CUDA|HIP) out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED"
        r"|torch(?:\.cuda)?\.OutOfMemoryError"
        r"|is less than desired GPU memory utilization"
        r"|No available memory for the cache blocks"
        r"|larger than the available KV cache memory"
    ),
    Sign.HOST_MEMORY: re.compile(
        r"DefaultCPUAllocator: can't allocate memory|^MemoryError\b|: MemoryError\b"
        r"|less than requested memory for kv"
    ),
    Sign.CORE_KILLED: re.compile(
        r"Failed core proc\(s\): \{[^}]*: -9\b|died unexpectedly \(exit code: -9\)"
    ),
    Sign.CORE_DIED: re.compile(
        r"EngineCore encountered (?:a fatal error|an issue)|EngineDeadError"
        r"|(?:Engine core|Worker) proc \S+ died unexpectedly|Engine core initialization failed"
    ),
    Sign.PORT: re.compile(r"Address already in use|address already in use"),
    Sign.MODEL: re.compile(
        r"RepositoryNotFoundError|Invalid repository ID or local directory"
        r"|is not a local folder and is not a valid model identifier"
        r"|does not appear to have a file named config\.json"
        r"|Can't load the configuration of|LocalEntryNotFoundError|OfflineModeIsEnabled"
        r"|GatedRepoError|HFValidationError"
    ),
    Sign.DEVICE: re.compile(
        r"Failed to infer device type|No CUDA GPUs are available|no CUDA-capable device is detected"
        r"|Found no NVIDIA driver|NVIDIA driver on your system is too old"
        r"|CUDA driver version is insufficient"
    ),
    Sign.ARGUMENTS: re.compile(
        r": error: (?:unrecognized arguments|argument |ambiguous option|the following arguments)"
        r"|\d+ validation errors? for \w+"
    ),
}

_FOLLOWING = {Sign.ARGUMENTS: 2}
"""Lines after the sign that belong to the message: pydantic says what is wrong there."""


@dataclass(slots=True)
class _Sighting:
    at: float
    lines: list[str]


class LogEvidence:
    """Reads a log line by line and keeps what may be needed later.

    Attributes:
        tail: the last lines, each cut to `MAX_LINE` characters.
    """

    def __init__(self) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._seen: dict[Sign, _Sighting] = {}

    def feed(self, line: str, now: float) -> None:
        """Take the next line, and the monotonic time in seconds."""
        line = _COLOUR.sub("", line)[:MAX_LINE]
        self.tail.append(line)
        if _NO_PROOF.search(line):
            return
        for sign, sighting in self._seen.items():
            if len(sighting.lines) <= _FOLLOWING.get(sign, 0):
                sighting.lines.append(_message(line))
        for sign, pattern in _PATTERNS.items():
            if pattern.search(line) and not self._is_fresh(sign, now):
                self._seen[sign] = _Sighting(now, [_message(line)])

    def message(self, sign: Sign, now: float, *, of_start: bool) -> str | None:
        """Return what the log said, None if it did not.

        Args:
            of_start: the engine never became ready, so whatever it said may be the reason.
        """
        if sign not in self._seen or not (of_start or self._is_fresh(sign, now)):
            return None
        return " ".join(self._seen[sign].lines)

    def _is_fresh(self, sign: Sign, now: float) -> bool:
        """The first of several lines in a row counts: later ones only repeat it."""
        seen = self._seen.get(sign)
        return seen is not None and now - seen.at <= _RECENT_SECONDS


def _message(line: str) -> str:
    return _PREFIX.sub("", line).strip()
