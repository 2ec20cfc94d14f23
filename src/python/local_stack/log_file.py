"""Log files that cannot fill the disk, and JSON log lines made readable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MAX_BYTES = 20_000_000
"""A log that grows beyond this becomes the `.1` beside it, in the place of the last one."""

_SHOWN_APART = ("time", "level", "event")


class LogFile:
    """A file that takes lines; the last run's is kept beside it with `.1` at its end."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._rotate()

    def write(self, line: bytes) -> None:
        """Append a line, given without its line feed.

        Raises:
            OSError: the disk is full or gone.
        """
        self._size += self._file.write(line + b"\n")
        if self._size > self._max_bytes:
            self._file.close()
            self._rotate()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rotate(self) -> None:
        if self.path.exists():
            self.path.replace(self.path.with_name(self.path.name + ".1"))
        # Unbuffered: whoever looks into the log sees what happened up to now.
        self._file = self.path.open("ab", buffering=0)
        self._size = 0


def readable(line: str) -> str:
    """Return a JSON log line as `time level event key=value ...`, and any other line as it is."""
    if not line.startswith("{"):
        return line
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict) or "event" not in record:
        return line
    if record["event"] == "request":
        return _request(record)
    moment = str(record.get("time", ""))[11:19]
    level = str(record.get("level", "info"))
    words = [moment, "" if level == "info" else level.upper(), str(record["event"])]
    words += [
        f"{key}={value}"
        for key, value in record.items()
        if key not in _SHOWN_APART and value not in (None, "")
    ]
    return " ".join(word for word in words if word)


def _request(record: dict[str, Any]) -> str:
    """Return a request as a short line; the log file has all of it."""
    words = [
        str(record.get("time", ""))[11:19],
        f"{record.get('method')} {record.get('path')}",
        str(record.get("status")),
        f"{record.get('seconds', 0):.2f} s",
    ]
    if record.get("model"):
        words.append(str(record["model"]))
    if record.get("completion_tokens") is not None:
        words.append(f"{record.get('prompt_tokens') or 0}+{record['completion_tokens']} tokens")
    if record.get("outcome") != "success":
        words.append(str(record.get("error") or record.get("outcome")))
    return "  ".join(words)
