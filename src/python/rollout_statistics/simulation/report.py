"""The study as Markdown tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Literal

from rollout_statistics.policy import SIGNALS
from rollout_statistics.simulation.study import (
    COMPARED,
    Outcome,
    Scenario,
    faulty_canaries,
    forgiven_canaries,
    run_scenario,
    run_together,
    sound_canaries,
    sound_together,
)

Table = Literal["sound", "together", "forgiven", "faulty"]
"""Canaries that must not be rolled back: sound ones, by one signal or by any, and such that are
slower, but by no more than a plan allows. And canaries that must be."""

TABLES: tuple[Table, ...] = ("sound", "together", "forgiven", "faulty")


def report(
    *, runs: int, requests: int, workers: int, tables: Collection[Table] = TABLES
) -> Iterator[str]:
    """Yield the lines of the tables, each as soon as it is known.

    Args:
        runs: how often each scenario is run.
        requests: of both arms together, in a run of a canary that must not be rolled back.
        workers: processes to use.
    """
    with ProcessPoolExecutor(workers) as executor:
        if "sound" in tables:
            title = "Rolled back although both stacks are the same"
            yield from _rolled_back(title, sound_canaries(requests), runs, executor)
        if "together" in tables:
            yield from _head("Rolled back by any of three signals", ("any", *SIGNALS))
            for together in sound_together(requests):
                ends = run_together(together, runs, executor)
                anywhere = set[int]().union(*ends.values())
                each = [anywhere, *(ends[signal] for signal in SIGNALS)]
                yield _line(together.name, [f"{len(ended) / runs:.2%}" for ended in each])
        if "forgiven" in tables:
            title = "Rolled back although the plan allows it"
            yield from _rolled_back(title, forgiven_canaries(requests), runs, executor)
        if "faulty" in tables:
            title = "Canary requests until the roll back: median / 90th percentile"
            yield from _head(title, COMPARED)
            for scenario in faulty_canaries(10 * requests):
                outcomes = run_scenario(scenario, COMPARED, runs, executor)
                yield _line(scenario.name, [_detection(each) for each in outcomes])


def _rolled_back(
    title: str, scenarios: Iterable[Scenario], runs: int, executor: Executor
) -> Iterator[str]:
    yield from _head(title, COMPARED)
    for scenario in scenarios:
        outcomes = run_scenario(scenario, COMPARED, runs, executor)
        yield _line(scenario.name, [f"{each.rolled_back:.1%}" for each in outcomes])


def _head(title: str, columns: Collection[str]) -> Iterator[str]:
    yield _line(title, list(columns))
    yield _line("---", ["---:"] * len(columns))


def _line(name: str, cells: list[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"


def _detection(outcome: Outcome) -> str:
    median, most = outcome.quantile(0.5), outcome.quantile(0.9)
    return f"{_count(median)} / {_count(most)}"


def _count(requests: int | None) -> str:
    return "never" if requests is None else f"{requests:,}"
