"""One reload of all workers, from the question to the last answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from querylake_api.workers.messages import Adopted


@dataclass(frozen=True, slots=True)
class Asker:
    """Who wants to know how a reload went.

    Attributes:
        place: the worker that was asked, None for a signal.
        ticket: what the worker calls its question.
    """

    place: int | None
    ticket: int = 0


@dataclass(slots=True)
class ReloadRound:
    """Which workers have still to follow.

    Attributes:
        changed: whether there is anything new to follow.
        pending: places that have not answered.
        deadline: in `monotonic` seconds; who has not answered by then has failed.
        failures: one sentence for each worker that could not follow.
    """

    generation: int
    changed: bool
    askers: list[Asker]
    restart_needed: list[str]
    pending: set[int]
    deadline: float
    failures: list[str] = field(default_factory=list)

    def answered(self, place: int, answer: Adopted) -> None:
        """Take in a worker's answer."""
        if answer.failure is None and answer.state.generation != self.generation:
            return  # to an earlier round
        self.pending.discard(place)
        if answer.failure is not None:
            self.failures.append(f"worker {answer.state.index}: {answer.failure}")

    def ended(self, place: int) -> None:
        """Take in that a worker has ended; its successor starts with the new configuration."""
        self.pending.discard(place)

    def give_up(self, pids: Iterable[int | None]) -> None:
        """Note that what is pending will not answer."""
        self.failures += [f"worker process {pid} does not answer" for pid in pids]
        self.pending.clear()
