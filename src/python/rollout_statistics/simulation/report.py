"""The study as Markdown tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Literal

from rollout_statistics.simulation.rules import others
from rollout_statistics.simulation.scenarios import (
    REQUESTS,
    SHARES,
    Scenario,
    faulty,
    few_keys,
    late,
    sound,
)
from rollout_statistics.simulation.study import Outcome, exact_interval, run_scenario
from rollout_statistics.simulation.traffic import Traffic

Table = Literal["sound", "faulty", "late", "few"]
"""Candidates that must not be rolled back; such that must be; the same with faults that begin late;
and what few keys and few requests allow."""

TABLES: tuple[Table, ...] = ("sound", "faulty", "late", "few")

OTHERS = tuple(others(Traffic(SHARES[0])))


def report(
    *,
    runs: int,
    requests: int = REQUESTS,
    workers: int,
    tables: Collection[Table] = TABLES,
    lines: str = "",
    first_seed: int = 0,
) -> Iterator[str]:
    """Yield the lines of the tables, each as soon as it is known.

    Args:
        runs: how often each scenario is run.
        requests: of both arms together, in a run of a candidate that must not be rolled back.
        workers: processes to use.
        lines: only those whose name holds this.
        first_seed: of the runs, whose seeds are this number and the following ones.
    """
    seeds = range(first_seed, first_seed + runs)
    with ProcessPoolExecutor(workers) as executor:
        if "sound" in tables:
            yield from _sound(_chosen(sound(requests), lines), seeds, executor)
        if "faulty" in tables:
            yield from _found(_chosen(faulty(), lines), seeds, executor, compare=True)
        if "late" in tables:
            yield from _found(_chosen(late(), lines), seeds, executor, compare=False)
        if "few" in tables:
            yield from _found(_chosen(few_keys(), lines), seeds, executor, compare=False)


def _chosen(scenarios: Iterable[Scenario], lines: str) -> Iterable[Scenario]:
    return (each for each in scenarios if lines in each.name)


def _sound(scenarios: Iterable[Scenario], seeds: range, executor: Executor) -> Iterator[str]:
    head = ("rolled back", "95% interval", "by", "advances after", *OTHERS)
    yield from _head("Sound candidate", head)
    for scenario in scenarios:
        outcome = run_scenario(scenario, seeds, executor, compare=True)
        low, high = exact_interval(outcome.rolled_back, len(seeds))
        yield _line(
            scenario.name,
            [
                f"{outcome.rolled_back / len(seeds):.1%}",
                f"{low:.1%} to {high:.1%}",
                _signals(outcome),
                _seconds(outcome.advanced_after(0.5)),
                *(f"{outcome.rolled_back_by(rule) / len(seeds):.0%}" for rule in OTHERS),
            ],
        )


def _found(
    scenarios: Iterable[Scenario], seeds: range, executor: Executor, *, compare: bool
) -> Iterator[str]:
    rules = OTHERS if compare else ()
    yield from _head("Requests of the candidate: median / 90%", ("found", "by", *rules))
    for scenario in scenarios:
        outcome = run_scenario(scenario, seeds, executor, compare=compare)
        cells = [_detection(outcome, None), _signals(outcome)]
        yield _line(scenario.name, cells + [_detection(outcome, rule) for rule in rules])


def _head(title: str, columns: Collection[str]) -> Iterator[str]:
    yield _line(title, list(columns))
    yield _line("---", ["---:"] * len(columns))


def _line(name: str, cells: list[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"


def _signals(outcome: Outcome) -> str:
    return ", ".join(signal for signal, _ in outcome.signals.most_common(2)) or "-"


def _seconds(seconds: float | None) -> str:
    return "not yet" if seconds is None else f"{seconds:,.0f} s"


def _detection(outcome: Outcome, rule: str | None) -> str:
    parts = [outcome.requests(0.5, rule), outcome.requests(0.9, rule)]
    return " / ".join("never" if part is None else f"{part:,}" for part in parts)
