"""How far the arms' difference follows from the moment: an engine's own slow spells.

A long prompt, a pre-emption or a garbage collection holds up every key of one engine for seconds.
Two sound engines have such spells at different moments, so the requests of one moment are no
independent witnesses. As with keys, the variance of the difference is measured between windows of
time and divided by what it were if requests were independent. A moment that strikes both arms is no
difference, so bursts cost nothing. Each window is compared with the one before (von Neumann's
mean square successive difference, Ann. Math. Statist. 12, 1941): a fault that begins changes the
level once, and must not count as spread against itself; a spell changes it twice each time.

Windows of two lengths are kept, because spells are: the larger of the two dispersions counts. Few
windows say little about their own spread, so the estimate is drawn towards 1 as if `PRIOR_WINDOWS`
windows without spells had been seen; what one or two spells may do before there is an estimate is
the matter of `spells`.

The variance for keys and windows at once is that of Cameron, Gelbach & Miller, "Robust Inference
With Multiway Clustering" (J. Business & Economic Statistics 29, 2011): the two dispersions, less
what both count.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rollout_statistics.counts import Block, Counts

WINDOW_SECONDS = (5.0, 30.0)
PRIOR_WINDOWS = 10.0

NONE = Counts()


@dataclass(slots=True)
class Windows:
    """Windows of one length. All figures are of closed windows, but those that begin with `open_`.

    Attributes:
        stable: requests and events; `candidate` likewise.
        last: the difference of the rates in the window before, the variance that it had if requests
            were independent, and how many requests it rests on.
        pairs: how many windows have been compared with the one before.
        seen: the sum of the squares of these differences between differences.
        expected: what that were, if requests were independent.
    """

    seconds: float
    opened_at: float | None = None
    open_stable: Counts = NONE
    open_candidate: Counts = NONE
    open_excess: float = 0.0
    open_weight: float = 0.0
    stable: Counts = NONE
    candidate: Counts = NONE
    last: tuple[float, float, float] | None = None
    pairs: int = 0
    seen: float = 0.0
    expected: float = 0.0

    def add(self, at: float, block: Block) -> None:
        """Take one block into account."""
        if self.opened_at is None or at - self.opened_at >= self.seconds:
            self._close()
            self.opened_at = at
        stable, candidate = block.control, block.canary
        both = stable.trials + candidate.trials
        if not (stable.trials and candidate.trials):
            return
        events = stable.events + candidate.events
        self.open_excess += candidate.events - events * candidate.trials / both
        self.open_weight += stable.trials * candidate.trials / both
        self.open_stable += stable
        self.open_candidate += candidate

    def _close(self) -> None:
        weight = self.open_weight
        if weight:
            self.stable += self.open_stable
            self.candidate += self.open_candidate
            now = (self.open_excess / weight, self._variance(), weight)
            if self.last is not None:
                difference, variance, before = self.last
                self.pairs += 1
                self.seen += weight * before * (now[0] - difference) ** 2
                self.expected += weight * before * (now[1] + variance)
            self.last = now
        self.open_excess = self.open_weight = 0.0
        self.open_stable = self.open_candidate = NONE

    def _variance(self) -> float:
        """Return what the open window's difference would vary by, if requests were independent.

        The window's own total of events is shared between the arms as their rates are overall: a
        burst has its own variance, and a candidate that fails more often varies more by itself.
        """
        stable, candidate = self.open_stable, self.open_candidate
        ratio = (self.candidate.events + 0.5) / (self.candidate.trials + 1)
        ratio /= (self.stable.events + 0.5) / (self.stable.trials + 1)
        events = stable.events + candidate.events
        rate = events / (stable.trials + ratio * candidate.trials)
        first, second = min(rate, 0.5), min(ratio * rate, 0.5)
        return first * (1 - first) / stable.trials + second * (1 - second) / candidate.trials

    @property
    def dispersion(self) -> float:
        """Return by how much the difference varies more than for independent requests."""
        if not self.expected:
            return 1.0
        estimate = self.seen / self.expected
        return max(1.0, (self.pairs * estimate + PRIOR_WINDOWS) / (self.pairs + PRIOR_WINDOWS))


@dataclass(slots=True)
class WindowSpread:
    """The spread between windows of both lengths."""

    scales: tuple[Windows, ...] = field(
        default_factory=lambda: tuple(Windows(seconds) for seconds in WINDOW_SECONDS)
    )

    def add(self, at: float, block: Block) -> None:
        """Take one block into account.

        Args:
            at: seconds since the rollout began.
        """
        for windows in self.scales:
            windows.add(at, block)

    @property
    def dispersion(self) -> float:
        """Return the larger one, 1 at least."""
        return max(windows.dispersion for windows in self.scales)


def two_way(keys: float, windows: float) -> float:
    """Return the dispersion for keys and windows at once, from that for each."""
    return max(1.0, keys + windows - 1)
