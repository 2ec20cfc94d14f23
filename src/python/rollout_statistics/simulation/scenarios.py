"""The lines of the tables: what must not be rolled back, and what must be found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rollout_statistics.simulation.traffic import Rates, Spells, Traffic

SHARES = (0.01, 0.1, 0.5)

REQUESTS = 40_000
"""Of both arms, in a run of a sound candidate: 33 minutes at 20 a second."""

MOST_REQUESTS = 200_000
"""In a run of a faulty one: more than that is "never"."""

FEW = 5 / 3600
"""Five requests an hour, in requests a second."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One line of a table.

    Attributes:
        requests: of both arms, after which a run ends.
        duration: whether the fault is one of durations, which count after the warm-up only.
    """

    name: str
    traffic: Traffic
    requests: int
    duration: bool = False


def _at_shares(
    kinds: dict[str, Traffic], requests: int, *, duration: bool = False
) -> Iterator[Scenario]:
    for name, traffic in kinds.items():
        for share in SHARES:
            named = f"{name}, {share:.0%}"
            yield Scenario(named, replace(traffic, share=share), requests, duration)


def sound(requests: int = REQUESTS) -> Iterator[Scenario]:
    """Yield what must not be rolled back: two stacks that are the same."""
    base = Traffic(0.1)
    kinds = {
        "independent": base,
        "slow spells of 3 s every 2 min": replace(base, spells=Spells(3, 120)),
        "slow spells of 10 s every 20 min": replace(base, spells=Spells(10, 1200)),
        "1 prompt in 300 blocks 2 s": replace(base, spells=Spells(2, blocking=1 / 300)),
        "cold start of 60 s": replace(base, cold_seconds=60),
        "cold start of 300 s": replace(base, cold_seconds=300),
        "first request of a key cold": replace(base, cold_firsts=1),
        "first three of a key cold": replace(base, cold_firsts=3),
        "3 bad keys on the allow list": replace(base, listed=3),
        "heavy tails": replace(base, sigma=1.2),
        "drift of a day": replace(base, drift=True),
        "bursts in both arms": replace(base, bursts=True),
        "failures retried 4 times": replace(base, retries=4),
        "keys differ (variance 2)": replace(base, spread=2),
        "2% of keys fail at 30%": replace(base, bad_keys=0.02),
        "100 keys that differ": replace(base, keys=100, spread=2),
        "20 keys that differ": replace(base, keys=20, spread=2),
        "3 keys that differ": replace(base, keys=3, spread=2),
        "not streamed": replace(base, streamed=False),
    }
    yield from _at_shares(kinds, requests)
    few = replace(base, keys=20, per_second=FEW)
    yield Scenario("5 requests an hour, 50%", replace(few, share=0.5), 2_000)


def faulty(requests: int = MOST_REQUESTS) -> Iterator[Scenario]:
    """Yield what must be found, and soon."""
    base = Traffic(0.1)
    low = Rates(failed=0.005)
    yield from _at_shares(
        {
            "errors 1% to 5%": replace(base, candidate=Rates(failed=0.05)),
            "errors 0.5% to 2%": replace(base, stable=low, candidate=Rates(failed=0.02)),
            "30% rejected (4xx)": replace(base, candidate=Rates(rejected=0.3)),
            "20% refused by the queue": replace(base, candidate=Rates(refused=0.2)),
            "10% hang, callers leave after 6 s": replace(base, candidate=Rates(hang=0.1)),
            "30% empty": replace(base, candidate=Rates(odd=0.3)),
            "no tool calls any more": replace(base, candidate=Rates(tool_call=0.0)),
        },
        requests,
    )
    yield from _at_shares(
        {
            "first token x1.3": replace(base, slower=1.3),
            "first token x2": replace(base, slower=2.0),
            "whole response x2": replace(base, slower=2.0, streamed=False),
            "pauses x2": replace(base, slower_pauses=2.0),
        },
        requests,
        duration=True,
    )


def late(requests: int = 4 * MOST_REQUESTS) -> Iterator[Scenario]:
    """Yield the same faults after 10,000 and 50,000 good requests of the candidate."""
    base = Traffic(0.5)
    for after in (10_000, 50_000):
        yield Scenario(
            f"errors 1% to 5% after {after:,}, 50%",
            replace(base, candidate=Rates(failed=0.05), late=after),
            requests,
        )
        yield Scenario(
            f"first token x2 after {after:,}, 50%",
            replace(base, slower=2.0, late=after),
            requests,
            duration=True,
        )


def few_keys() -> Iterator[Scenario]:
    """Yield what few keys and few requests allow."""
    broken = Traffic(0.5, stable=Rates(failed=0.002), candidate=Rates(failed=0.97))
    for keys in (3, 8, 20):
        yield Scenario(f"{keys} keys, all fail, 50%", replace(broken, keys=keys), 20_000)
    yield Scenario(
        "5 requests an hour, 20 keys, all fail, 50%",
        replace(broken, keys=20, per_second=FEW),
        2_000,
    )
