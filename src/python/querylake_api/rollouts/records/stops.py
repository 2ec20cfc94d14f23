"""Rollbacks that hold on this machine at once, whatever the database does.

A file in the state folder, which every worker of the machine looks at. Whoever can reach the
database again writes them there and takes them out of the file.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Stop:
    """An order to roll back.

    Attributes:
        at: Unix seconds, by this machine's clock; for reading only.
        figures: what it rests on.
    """

    actor: str
    reason: str
    at: float
    figures: Mapping[str, Any] = field(default_factory=dict)


class StopFile:
    """The orders of this machine."""

    def __init__(self, state: Path) -> None:
        self._path = state / "rollout-stops.json"

    def read(self) -> dict[str, Stop]:
        """Return the orders, by rollout."""
        # There mostly is none, and to find that out by opening it costs ten times as much.
        if not os.path.exists(self._path):
            return {}
        try:
            document = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        return {rollout: Stop(**stop) for rollout, stop in document.items()}

    def put(self, rollout_id: str, stop: Stop) -> None:
        """Add an order."""
        with self._locked():
            self._write(self.read() | {rollout_id: stop})

    def remove(self, rollout_id: str) -> None:
        """Take an order out, once the database has it."""
        with self._locked():
            self._write({key: stop for key, stop in self.read().items() if key != rollout_id})

    def _write(self, stops: dict[str, Stop]) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({key: asdict(stop) for key, stop in stops.items()}))
        fresh.rename(self._path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
