"""From samples to a table that says no more than they do."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from gateway_benchmark.scenarios import (
    FIRST_TOKEN,
    FLOOD,
    LOADED,
    PACED,
    SEQUENTIAL,
    Sample,
    Scenario,
)

Samples = Mapping[str, Mapping[str, Sequence[Sample]]]
"""By gateway, then by scenario, in the order of the rounds."""

_COLUMNS = (
    "gateway",
    "added p50, ms",
    "CPU per request, ms",
    "requests/s, 64 clients",
    "TTFT added p50, ms",
    "CPU per chunk paced, µs",
    "CPU per chunk flood, µs",
    "RSS, MB",
)

BASELINE = "direct"


class InvalidRun(Exception):
    """The figures would not mean what they say."""


def table(samples: Samples) -> str:
    """Return the medians over the rounds as a Markdown table.

    Times are compared round by round with the direct call of the same round: a machine that was
    slow was slow for both.

    Raises:
        InvalidRun: a direct call failed, or there is none to compare with.
    """
    if BASELINE not in samples:
        raise InvalidRun("nothing was measured without a gateway, so nothing can be compared")
    for scenario, rounds in samples[BASELINE].items():
        if any(sample.errors for sample in rounds):
            raise InvalidRun(f"the engine itself gave wrong answers ({scenario})")
    rows = [_row(name, each, samples[BASELINE]) for name, each in samples.items()]
    lines = ["| " + " | ".join(row) + " |" for row in (_COLUMNS, ["---"] * len(_COLUMNS), *rows)]
    return "\n".join(lines)


def faults(samples: Samples) -> list[str]:
    """Return a sentence for every figure that is missing or is a lower bound, and why."""
    found: list[str] = []
    for name, scenarios in samples.items():
        for scenario, rounds in scenarios.items():
            wrong = [error for sample in rounds for error in sample.errors]
            if wrong:
                found.append(f"{name}, {scenario}: {len(wrong)} wrong answers, e.g. {wrong[0]}")
            if name != BASELINE and any(sample.saturated for sample in rounds):
                found.append(
                    f"{name}, {scenario}: generator and engine used over 90% of their core, so "
                    "rates and times are theirs; CPU per request is still the gateway's"
                )
    return found


def _row(
    name: str, own: Mapping[str, Sequence[Sample]], direct: Mapping[str, Sequence[Sample]]
) -> list[str]:
    def added(scenario: Scenario, of: Callable[[Sample], float]) -> str:
        if name == BASELINE:
            return _figure(scenario, own, lambda s: of(s) * 1e3, "({:.2f})")
        pairs = zip(own.get(scenario.name, ()), direct.get(scenario.name, ()), strict=True)
        differences = [(of(mine) - of(theirs)) * 1e3 for mine, theirs in pairs if not mine.errors]
        return f"{statistics.median(differences):.2f}" if differences else "-"

    def cpu(scenario: Scenario, per: Callable[[Sample], int], unit: float, form: str) -> str:
        if name == BASELINE:
            return "-"
        return _figure(scenario, own, lambda s: s.cpu / per(s) * unit if per(s) else 0.0, form)

    memory = [sample.rss for rounds in own.values() for sample in rounds]
    return [
        name,
        added(SEQUENTIAL, lambda sample: sample.latency),
        cpu(LOADED, lambda sample: sample.requests, 1e3, "{:.3f}"),
        _figure(LOADED, own, lambda sample: sample.requests / sample.seconds, "{:,.0f}"),
        added(FIRST_TOKEN, lambda sample: sample.first),
        cpu(PACED, lambda sample: sample.chunks, 1e6, "{:.0f}"),
        cpu(FLOOD, lambda sample: sample.chunks, 1e6, "{:.1f}"),
        "-" if name == BASELINE else f"{max(memory) / 1e6:.0f}",
    ]


def _figure(
    scenario: Scenario,
    own: Mapping[str, Sequence[Sample]],
    of: Callable[[Sample], float],
    form: str,
) -> str:
    good = [of(sample) for sample in own.get(scenario.name, ()) if not sample.errors]
    return form.format(statistics.median(good)) if good else "-"
