"""The study as Markdown tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Literal

from rollout_statistics.simulation.study import (
    COMPARED,
    Outcome,
    faulty_canaries,
    run_scenario,
    sound_canaries,
)

Table = Literal["sound", "faulty"]
"""Canaries that must not be rolled back, and such that must be."""


def report(
    *, runs: int, requests: int, workers: int, tables: Collection[Table] = ("sound", "faulty")
) -> Iterator[str]:
    """Yield the lines of the tables, each as soon as it is known.

    Args:
        runs: how often each scenario is run; a fifth of it where only the time to detection counts.
        requests: of both arms together, in a run of a sound canary.
        workers: processes to use.
    """
    with ProcessPoolExecutor(workers) as executor:
        if "sound" in tables:
            yield from _head("Rolled back although both stacks are the same")
            for scenario in sound_canaries(requests):
                outcomes = run_scenario(scenario, COMPARED, runs, executor)
                yield _line(scenario.name, [f"{each.rolled_back:.1%}" for each in outcomes])
        if "faulty" in tables:
            yield from _head("Canary requests until the roll back: median / 90th percentile")
            for scenario in faulty_canaries(10 * requests):
                outcomes = run_scenario(scenario, COMPARED, max(20, runs // 5), executor)
                yield _line(scenario.name, [_detection(each) for each in outcomes])


def _head(title: str) -> Iterator[str]:
    yield _line(title, list(COMPARED))
    yield _line("---", ["---:"] * len(COMPARED))


def _line(name: str, cells: list[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"


def _detection(outcome: Outcome) -> str:
    median, most = outcome.quantile(0.5), outcome.quantile(0.9)
    return f"{_count(median)} / {_count(most)}"


def _count(requests: int | None) -> str:
    return "never" if requests is None else f"{requests:,}"
