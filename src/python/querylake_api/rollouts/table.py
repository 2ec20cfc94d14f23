"""A rollout for the terminal: both arms side by side, and what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from querylake_api.rollouts.judging.sentences import duration
from rollout_statistics.signals import NAMES

BEYOND_DOUBT = 1000
"""Times the evidence that is needed: more than that is no figure that says anything."""

_COLOURS = {
    "worse": "bold red",
    "rolled_back": "bold red",
    "not worse": "green",
    "promoted": "bold green",
    "inconclusive": "yellow",
    "paused": "yellow",
}


def status_view(rollout: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> Group:
    """Return everything about one rollout."""
    status = str(rollout["status"])
    head = Text.assemble(
        (rollout["id"], "bold"),
        f"  {rollout['model']}  ",
        (status.replace("_", " "), _COLOURS.get(status, "")),
        f"  step {rollout['step']} of {rollout['steps']}, {rollout['percent']:g}% on the candidate",
        f", baked {rollout['baked_seconds']:.0f} of {rollout['bake_seconds']:g} s",
    )
    judgement = rollout["judgement"] or {}
    parts: list[RenderableType] = [head]
    if judgement:
        parts.append(_arms(judgement["signals"]))
        parts.append(Text(judgement["reason"]))
    parts.append(_history(events))
    return Group(*parts)


def _arms(signals: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("signal", "stable", "candidate", "worse", "not worse", "left", box=SIMPLE_HEAD)
    table.add_column("verdict", no_wrap=True)
    for signal in signals:
        word = signal["word"]
        table.add_row(
            NAMES[signal["signal"]],
            _arm(signal["stable"]),
            _arm(signal["candidate"]),
            _strength(signal["e_worse"], signal["e_needed"]),
            _strength(signal["e_not_worse"], signal["e_not_worse_needed"]),
            "" if signal["seconds_left"] is None else duration(signal["seconds_left"]),
            Text(word, _COLOURS.get(word, "dim")),
        )
    return table


def _strength(value: float, needed: float) -> str:
    return "beyond doubt" if value >= BEYOND_DOUBT * needed else f"{value:.2g} of {needed:.0f}"


def _arm(arm: Mapping[str, Any]) -> str:
    if not arm["requests"]:
        return "no requests"
    p95 = "" if arm["p95"] is None else f", p95 {arm['p95'] * 1000:.0f} ms"
    return f"{arm['rate']:.2%} [{arm['low']:.2%}, {arm['high']:.2%}] of {arm['requests']:,}{p95}"


def _history(events: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("when", "what", box=SIMPLE_HEAD, show_header=False)
    for event in events:
        table.add_row(str(event["at"])[:19].replace("T", " "), event["sentence"])
    return table


def list_view(rollouts: Sequence[Mapping[str, Any]]) -> Table:
    """Return all rollouts, one a line."""
    table = Table("id", "model", "status", "step", "candidate", "started", box=SIMPLE_HEAD)
    for rollout in rollouts:
        status = str(rollout["status"])
        table.add_row(
            rollout["id"],
            rollout["model"],
            Text(status.replace("_", " "), _COLOURS.get(status, "")),
            f"{rollout['step']}/{rollout['steps']}",
            f"{rollout['percent']:g}%",
            str(rollout["started_at"] or "-")[:19].replace("T", " "),
        )
    return table
