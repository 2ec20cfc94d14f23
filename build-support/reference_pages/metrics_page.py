"""The sections of docs/reference/metrics.md, and metrics read from Prometheus' text format."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_UNITS = {
    "_seconds": "seconds",
    "_bytes": "bytes",
    "_tokens_total": "tokens",
    "_requests_total": "requests",
    "_attempts_total": "requests",
    "_records_written_total": "records",
    "_records_lost_total": "records",
    "_prefix_cache_queries": "tokens",
    "_prefix_cache_hits": "tokens",
    "_restarts": "restarts",
    "_restarts_total": "restarts",
    "_placements": "requests",
    "_outcomes": "requests",
    "_outstanding": "requests",
    "_running": "requests",
    "_waiting": "requests",
    "_in_flight": "requests",
    "_share": "fraction",
    "_controllers": "workers",
}


@dataclass(frozen=True, order=True)
class Metric:
    """A family of samples."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def metrics_section(metrics: Iterable[Metric]) -> str:
    """Return a table in Markdown."""
    head = ["| metric | type | labels | unit | meaning |", "|---|---|---|---|---|"]
    return "\n".join([*head, *map(_row, sorted(metrics))]) + "\n"


def metrics_in(text: str) -> list[Metric]:
    """Read metrics from an exposition, in which each has a sample."""
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    found = []
    for name, help in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE):
        if name.endswith("_created"):
            continue
        sample = re.search(rf"^{name}(?:{{(.*)}})? ", text, re.MULTILINE)
        labels = re.findall(r'(\w+)="', sample.group(1) or "") if sample else []
        found.append(Metric(name, kinds[name], tuple(labels), help))
    return found


def _row(metric: Metric) -> str:
    unit = next((unit for end, unit in _UNITS.items() if metric.name.endswith(end)), "")
    labels = ", ".join(f"`{each}`" for each in metric.labels)
    help = metric.help.replace("|", "\\|")
    return f"| `{metric.name}` | {metric.kind} | {labels} | {unit} | {help} |"
