"""What a parent and its workers say to each other, over the pipe that each worker is born with."""

from __future__ import annotations

from dataclasses import dataclass

from querylake_api.configuration.loading import Configuration
from querylake_api.configuration.reloading import ReloadReport, WorkerState


@dataclass(frozen=True, slots=True)
class Ready:
    """From a worker: it accepts requests."""

    state: WorkerState


@dataclass(frozen=True, slots=True)
class Failed:
    """From a worker: it cannot start, for a reason that an operator can mend."""

    reason: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class ReloadWanted:
    """From a worker: somebody asked it for a reload.

    Attributes:
        ticket: comes back with the answer.
    """

    ticket: int


@dataclass(frozen=True, slots=True)
class Adopted:
    """From a worker: how it followed an `Adopt`.

    Attributes:
        failure: why it could not, and runs what it ran before.
    """

    state: WorkerState
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """From the parent: accept nothing more.

    Attributes:
        now: end the requests in flight, instead of letting them finish within the drain timeout.
    """

    now: bool


@dataclass(frozen=True, slots=True)
class Adopt:
    """From the parent: use this configuration for requests that come from now on."""

    generation: int
    configuration: Configuration


@dataclass(frozen=True, slots=True)
class Fleet:
    """From the parent: what every worker runs."""

    workers: tuple[WorkerState, ...]


@dataclass(frozen=True, slots=True)
class Reloaded:
    """From the parent: the answer to a `ReloadWanted`.

    Attributes:
        report: how it went; None if the configuration was refused.
        problems: why it was refused.
    """

    ticket: int
    report: ReloadReport | None
    problems: tuple[str, ...] = ()


FromWorker = Ready | Failed | ReloadWanted | Adopted
FromParent = Stop | Adopt | Fleet | Reloaded
