"""The plots of a report: which figures, of which runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from upgrade_gates.report.content import Baseline
from upgrade_gates.report.plots import Series, bar_plot, legend, line_plot
from upgrade_gates.serving.baseline import CONCURRENCIES

RUNS = 12
"""How many of the last runs a plot shows."""

COMPARED = 3
"""How many of the last runs stand side by side as bars."""


@dataclass(frozen=True)
class Plot:
    """A plot with its heading."""

    heading: str
    svg: str
    legend: str


LATENCIES = (
    ("Time to first token, one request at a time", "ttft"),
    ("Between tokens, one request at a time", "inter_token"),
)


def plots(
    latencies: Sequence[Baseline], throughputs: Sequence[Baseline]
) -> tuple[list[Plot], list[str]]:
    """Return every plot for which there are figures, and a sentence for each that has none."""
    found, lacking = [], []
    runs = latencies[-RUNS:]
    for heading, name in LATENCIES:
        series = _measured(
            Series(f"p{share}", tuple(run.number(f"{name}_p{share}_c1_ms") for run in runs))
            for share in (50, 95)
        )
        if series:
            svg = line_plot(heading, "ms", _moments(runs), series)
            found.append(Plot(heading, svg, legend(series)))
        else:
            lacking.append(f"{heading}: not measured.")
    compared = throughputs[-COMPARED:]
    heading = "Tokens per second, by requests at once"
    series = _measured(
        Series(label, tuple(run.number(f"tokens_per_second_c{level}") for level in CONCURRENCIES))
        for run, label in zip(compared, _moments(compared), strict=True)
    )
    if series:
        labels = [str(level) for level in CONCURRENCIES]
        found.append(Plot(heading, bar_plot(heading, "tokens/s", labels, series), legend(series)))
    else:
        lacking.append(f"{heading}: not measured.")
    return found, lacking


def _measured(series: Iterable[Series]) -> list[Series]:
    """Leave out what was never measured: it would be an empty chart, or a key without a line."""
    return [each for each in series if any(value is not None for value in each.values)]


def _moments(runs: Sequence[Baseline]) -> list[str]:
    """Return when each run was, with the time of day where a day has several."""
    days = [f"{run.at:%m-%d}" for run in runs]
    if len(set(days)) == len(days):
        return days
    return [f"{run.at:%m-%d %H:%M}" if len(runs) <= COMPARED else f"{run.at:%H:%M}" for run in runs]
