"""Whether a verdict on durations stands without the candidate's worst moments.

The first spells of a rollout may all be the candidate's, before any spread between windows can be
estimated. So a duration is worse only if it is so persistently: there must be a stretch of time up
to now in which the candidate is worse even without its worst moments, namely

- the worst `SPELL_SECONDS` in a row (`EARLY_SPELL_SECONDS` during the first `EARLY_SECONDS` that
  count: a spell that falls into just these is rare, and a candidate that was slow from its first
  request should not have to wait), and
- so many more of the stretch's `GROUPS` parts that `DROPPED` of them are left out.

What is left must have an e-value of 100. A slow spell of up to ten seconds, or a few short ones,
can therefore hardly be the reason for a rollback, however slow it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rollout_statistics.counts import Block, Counts
from rollout_statistics.odds_ratio import OddsRatioTest

SPELL_SECONDS = 15.0
EARLY_SPELL_SECONDS = 6.0
EARLY_SECONDS = 16.0
GROUPS = 12
DROPPED = 5
LOG_E = math.log(100)

BASE_SECONDS = 2.0
PER_LEVEL = 24
"""Windows of each length that are kept; beyond that, the two oldest become one."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What both arms had in a window.

    Attributes:
        seconds: how long it is.
    """

    seconds: float
    block: Block

    def __add__(self, other: Moment) -> Moment:
        block = Block(
            self.block.control + other.block.control, self.block.canary + other.block.canary
        )
        return Moment(self.seconds + other.seconds, block)


NOTHING = Moment(0.0, Block(Counts(), Counts()))


@dataclass(slots=True)
class Moments:
    """The windows of a rollout, the older the coarser: a few dozen for a minute, and for a month.

    Attributes:
        levels: windows of `BASE_SECONDS`, of twice as much, and so on; the oldest first.
        opened_at: when the window that is open began.
    """

    levels: list[list[Moment]] = field(default_factory=lambda: [[]])
    opened_at: float | None = None
    open: Moment = NOTHING

    def add(self, at: float, block: Block) -> None:
        """Take one block into account.

        Args:
            at: seconds since the rollout began.
        """
        if self.opened_at is not None and at - self.opened_at >= BASE_SECONDS:
            # What lies between two blocks belongs to the earlier window: where requests are few,
            # windows are long.
            self._push(Moment(at - self.opened_at, self.open.block))
            self.opened_at, self.open = None, NOTHING
        if self.opened_at is None:
            self.opened_at = at
        self.open += Moment(0.0, block)

    def _push(self, moment: Moment) -> None:
        for level in self.levels:
            level.append(moment)
            if len(level) <= PER_LEVEL:
                return
            moment = level.pop(0) + level.pop(0)
        self.levels.append([moment])

    def newest_first(self) -> list[Moment]:
        """Return all windows, the open one too."""
        now = [Moment(BASE_SECONDS, self.open.block)] if self.opened_at is not None else []
        return now + [moment for level in self.levels for moment in reversed(level)]


def stands_without_spells(moments: Sequence[Moment], seconds: float, spread: float) -> bool:
    """Return whether the candidate has been worse in some stretch up to now, whatever is left out.

    Args:
        moments: the newest first.
        seconds: for how long durations have been counted.
        spread: the dispersion, which what is left is divided by as all evidence is.
    """
    spell = EARLY_SPELL_SECONDS if seconds <= EARLY_SECONDS else SPELL_SECONDS
    return any(
        _log_e(_without_worst(groups, spell)) >= LOG_E * spread
        for groups in _stretches(moments, spell)
    )


def _stretches(moments: Sequence[Moment], spell: float) -> Iterator[list[Moment]]:
    """Yield stretches of growing length, each in `GROUPS` parts at most."""
    total, longer = 0.0, spell
    for count, moment in enumerate(moments, 1):
        total += moment.seconds
        if total > longer or count == len(moments):
            longer = 1.3 * total
            yield _grouped(moments[:count], total / GROUPS)


def _grouped(moments: Sequence[Moment], seconds: float) -> list[Moment]:
    groups: list[Moment] = []
    group = NOTHING
    for moment in moments:
        group += moment
        if group.seconds >= seconds - 1e-9:
            groups.append(group)
            group = NOTHING
    return groups if group is NOTHING else [*groups, group]


def _without_worst(groups: list[Moment], spell: float) -> list[Moment]:
    """Return the parts without the worst in a row, and without the worst of the others."""
    excesses = [_excess(group) for group in groups]
    start, end = _worst_run(groups, excesses, spell)
    kept = [index for index in range(len(groups)) if not start <= index < end]
    part = round(len(groups) * DROPPED / GROUPS)
    more = max(0, part - (end - start))
    worst = set(sorted(kept, key=lambda index: -excesses[index])[:more])
    return [groups[index] for index in kept if index not in worst]


def _worst_run(groups: list[Moment], excesses: list[float], spell: float) -> tuple[int, int]:
    """Return the run of parts, at least as long as a spell, with the largest excess."""
    best, found = -math.inf, (0, len(groups))
    for start in range(len(groups)):
        seconds = excess = 0.0
        for index in range(start, len(groups)):
            seconds += groups[index].seconds
            excess += excesses[index]
            if seconds >= spell - 1e-9:
                if excess > best:
                    best, found = excess, (start, index + 1)
                break
    return found


def _excess(moment: Moment) -> float:
    stable, candidate = moment.block.control, moment.block.canary
    both = stable.trials + candidate.trials
    if not both:
        return 0.0
    return (candidate.events * stable.trials - stable.events * candidate.trials) / both


def _log_e(moments: Sequence[Moment]) -> float:
    test = OddsRatioTest()
    for moment in moments:
        test.add(moment.block)
    return test.log_e()
