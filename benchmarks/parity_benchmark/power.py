"""Power against cost of the tests on pairs of users' requests: how many pairs each verdict takes.

Simulated: what the pairs are is drawn, and the judge is the one that rollouts use.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator

from answer_parity.traffic import CAUSES, Pair, TrafficJudge
from answer_parity.verdict import Standing

MAX_PAIRS = 1000
RATE = 0.03
"""How often each signal happens on a sound engine, on either side by itself."""

FAULT = "tool call in the text"


def table(runs: int) -> Iterator[str]:
    """Yield a table in Markdown, line by line.

    Args:
        runs: simulated rollouts for each line.
    """
    head = ("a fault in this share of answers", "rollouts", "called different")
    yield f"| {' | '.join((*head, 'called equivalent', 'pairs until then, median (90%)'))} |"
    yield "|---|---|---|---|---|"
    for share in (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
        ends = [_rollout(share, random.Random(f"{share} {run}")) for run in range(runs)]
        decided = sorted(pairs for standing, pairs in ends if standing is not Standing.NOT_DECIDED)
        told = "-"
        if decided:
            told = f"{statistics.median(decided):.0f} ({decided[int(0.9 * (len(decided) - 1))]})"
        counts = [
            sum(end is standing for end, _ in ends)
            for standing in (Standing.DIFFERENT, Standing.EQUIVALENT)
        ]
        yield f"| {share:.0%} | {runs} | {counts[0]} | {counts[1]} | {told} |"


def _rollout(share: float, chance: random.Random) -> tuple[Standing, int]:
    judge = TrafficJudge()
    for pairs in range(1, MAX_PAIRS + 1):
        judge.add(_pair(share, chance))
        if judge.standing is not Standing.NOT_DECIDED:
            return judge.standing, pairs
    return Standing.NOT_DECIDED, MAX_PAIRS


def _pair(share: float, chance: random.Random) -> Pair:
    old, new = (
        {name for name in CAUSES if name != "prompt tokens" and chance.random() < RATE}
        for _ in range(2)
    )
    if chance.random() < share:
        new.add(FAULT)
    return Pair(False, frozenset(old), frozenset(new))
