"""What a parent and its workers say to each other, over the pipe that each worker is born with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """From a worker: it accepts requests."""

    index: int


@dataclass(frozen=True, slots=True)
class Failed:
    """From a worker: it cannot start, for a reason that an operator can mend."""

    reason: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class Stop:
    """From the parent: accept nothing more.

    Attributes:
        now: end the requests in flight, instead of letting them finish within the drain timeout.
    """

    now: bool


FromWorker = Ready | Failed
FromParent = Stop
