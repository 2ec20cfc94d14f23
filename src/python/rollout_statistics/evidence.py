"""What is known of a rollout's two arms: built up look by look.

A look is what finished since the last one. Durations leave out what is no fault of the engine: the
candidate's warm-up, and the first requests of each key in an arm, whose prefixes no cache holds
yet. Both arms' first requests are left out, so that the rest can be compared. Keys on a list are
left out of everything: nobody drew them by lot.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from rollout_statistics.counts import Block, Counts
from rollout_statistics.open_block import OpenBlock
from rollout_statistics.outcomes import ARMS, MARK_BUCKETS, Arm, Kind
from rollout_statistics.policy import Policy
from rollout_statistics.running_quantile import RunningQuantile, buckets_in
from rollout_statistics.signal_evidence import SignalEvidence, fresh
from rollout_statistics.signals import DURATIONS, SIGNALS, Signal
from rollout_statistics.slow_line import SlowLine

FIRST_REQUESTS = 3
"""Requests of a key to an arm whose durations do not count."""

_ENDINGS: tuple[Signal, ...] = ("failed", "rejected", "refused", "abandoned")


class Evidence:
    """Everything that verdicts rest on.

    Args:
        listed: keys that are on a list of the plan.

    Attributes:
        step: which step the totals are of.
        began_at: when the candidate had its first request, in seconds since the rollout began.
        listed_requests: of the candidate, by keys that are on a list.
        lines: the durations of each stratum, arm and signal.
        firsts: how many requests each key has made to an arm, as far as that matters.
    """

    def __init__(self, policy: Policy, listed: Collection[str] = ()) -> None:
        self.policy = policy
        self.listed = frozenset(listed)
        self.step = 0
        self.began_at: float | None = None
        self.listed_requests = 0
        self.signals = {signal: fresh(policy, signal) for signal in SIGNALS}
        self.lines: dict[tuple[str, Arm, Signal], SlowLine] = {}
        self.open_blocks: dict[str, OpenBlock] = {}
        self.firsts: dict[tuple[Arm, str], int] = {}
        self._forgiven = buckets_in(policy.latency_ratio)

    def begin_step(self, step: int) -> None:
        """Begin what every step has to earn for itself."""
        self.step = step
        self.open_blocks = {}
        for signal, evidence in self.signals.items():
            evidence.begin_step(self.policy, signal)

    def warming_up(self, at: float) -> bool:
        """Return whether the candidate's durations do not count yet."""
        return self.began_at is None or at - self.began_at < self.policy.warmup_seconds

    def fold(self, counts: Mapping[Kind, int], at: float) -> None:
        """Take in what was counted since the last time.

        Args:
            at: seconds since the rollout began, by a clock that only goes forward.
        """
        by_stratum: dict[str, list[tuple[Kind, int]]] = {}
        for kind, count in counts.items():
            if kind.key and kind.key in self.listed:
                self.listed_requests += count * (kind.arm == "candidate")
                continue
            by_stratum.setdefault(kind.stratum, []).append((kind, count))
            if self.began_at is None and kind.arm == "candidate":
                self.began_at = at
        for stratum, kinds in by_stratum.items():
            block = self.open_blocks.get(stratum)
            if block is None:
                block = self.open_blocks[stratum] = OpenBlock(at)
            block.add(kinds)
            if block.complete(at):
                del self.open_blocks[stratum]
                self._fold_block(stratum, block.counts.items(), at)

    def _fold_block(self, stratum: str, kinds: Iterable[tuple[Kind, int]], at: float) -> None:
        tally = _Tally(self.signals)
        settled: list[tuple[Kind, int]] = []
        for kind, count in kinds:
            if kind.ending != "waiting":
                tally.endings(kind, count)
            if not kind.key or self._is_settled(kind, count):
                settled.append((kind, count))
        if not self.warming_up(at):
            for signal in DURATIONS:
                line = self._line(stratum, signal)
                if line is not None:
                    for kind, count in settled:
                        tally.duration(signal, kind, count, line, self._forgiven)
        for signal in tally.seen:
            self.signals[signal].add(at, *tally.blocks(signal))
        self._remember_durations(stratum, settled)

    def _is_settled(self, kind: Kind, count: int) -> bool:
        """Return whether a key has made its first requests to an arm, and count these."""
        place = (kind.arm, kind.key)
        made = self.firsts.get(place, 0)
        if made < FIRST_REQUESTS:
            self.firsts[place] = made + count
        return made >= FIRST_REQUESTS

    def _line(self, stratum: str, signal: Signal) -> int | None:
        durations = self.lines.get((stratum, "stable", signal))
        return None if durations is None else durations.line()

    def _remember_durations(self, stratum: str, kinds: Iterable[tuple[Kind, int]]) -> None:
        for kind, count in kinds:
            if kind.ending != "answered":
                continue
            for signal in DURATIONS:
                bucket = duration_of(signal, kind)
                if bucket is not None:
                    place = (stratum, kind.arm, signal)
                    line = self.lines.get(place)
                    if line is None:
                        line = self.lines[place] = SlowLine()
                    line.add(bucket, count)

    def pooled(self, arm: Arm, signal: Signal) -> RunningQuantile:
        """Return an arm's durations over all strata, for showing."""
        pooled = RunningQuantile()
        for (_, its_arm, its_signal), line in self.lines.items():
            if its_arm == arm and its_signal == signal:
                for bucket, count in line.durations.buckets.items():
                    pooled.add(bucket, count)
        return pooled


class _Tally:
    """The totals of one block, by signal and arm; those of keys go to the evidence at once."""

    def __init__(self, evidence: Mapping[Signal, SignalEvidence]) -> None:
        self._evidence = evidence
        self._totals: dict[tuple[Signal, Arm], list[int]] = {}
        self.seen: dict[Signal, None] = {}

    def endings(self, kind: Kind, count: int) -> None:
        """Count a request for every signal that is not a duration."""
        ending = kind.ending
        for signal in _ENDINGS:
            event = ending == signal or (signal == "failed" and kind.attempt_failed)
            self._count(signal, kind, count, event, event)
        if ending == "answered":
            self._count("odd_output", kind, count, kind.odd, kind.odd)
            if kind.finish:
                stopped = kind.finish == "stop"
                self._count("no_tool_call", kind, count, stopped, stopped)

    def duration(self, signal: Signal, kind: Kind, count: int, line: int, forgiven: int) -> None:
        """Count a request for a duration, if it says something of it."""
        bucket = duration_of(signal, kind)
        if bucket is None:
            return
        slow = bucket > line
        if kind.ending != "answered" and not slow:
            return  # who left or waits has not been slow yet, and nobody knows whether he would be
        if signal == "slow_response" and slow and not _first_beyond(kind, line):
            return
        allowed = line + (forgiven if kind.arm == "candidate" else 0)
        self._count(signal, kind, count, slow, bucket > allowed)

    def _count(self, signal: Signal, kind: Kind, count: int, event: bool, beyond: bool) -> None:
        totals = self._totals.get((signal, kind.arm))
        if totals is None:
            totals = self._totals[signal, kind.arm] = [0, 0, 0]
            self.seen[signal] = None
        totals[0] += count
        if event:
            totals[1] += count
        if beyond:
            totals[2] += count
        if kind.key:
            self._evidence[signal].keys[kind.arm].add(kind.key, count, count if event else 0)

    def blocks(self, signal: Signal) -> tuple[Block, Block]:
        """Return both arms of a signal: against one line, and with what is forgiven."""
        stable, candidate = (self._totals.get((signal, arm), (0, 0, 0)) for arm in ARMS)
        return (
            Block(Counts(*stable[:2]), Counts(*candidate[:2])),
            Block(Counts(stable[0], stable[2]), Counts(candidate[0], candidate[2])),
        )


def duration_of(signal: Signal, kind: Kind) -> int | None:
    """Return the bucket of a request's duration; a failed one has none."""
    if kind.ending in ("failed", "rejected", "refused"):
        return None
    if signal == "slow_response":
        return kind.response
    return kind.pause if signal == "slow_pauses" else kind.longest


def _first_beyond(kind: Kind, line: int) -> bool:
    """Return whether a slow request counts here, and not at a mark at which it was waiting.

    A request is reported at each mark that it waits beyond, and once it has ended. It counts at the
    first mark beyond the line, or at its end if that comes before.
    """
    bucket = kind.response
    first = next((mark for mark in MARK_BUCKETS if mark > line), None)
    if kind.ending == "waiting":
        return bucket == first
    return first is None or bucket is None or bucket < first
