"""The tables of docs/parity-measured.md, from the rows that runs have written."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def markdown(rows: Sequence[Row]) -> str:
    """Return one table of the sound pairs and one of the faults."""
    sound = [row for row in rows if row["kind"] == "sound"]
    faults = [row for row in rows if row["kind"] == "fault"]
    return "\n".join([*_sound(sound), "", *_faults(faults)])


def _sound(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| pair | runs | different | equivalent | not decided | nats a token, median (largest) "
        "| in a batch | requests | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in (*dict.fromkeys(row["pair"] for row in rows), "all"):
        of_pair = [row for row in rows if name in (row["pair"], "all")]
        counts = [
            sum(row["standing"] == standing for row in of_pair)
            for standing in ("different", "equivalent", "not decided")
        ]
        cells = [name, len(of_pair), *counts, _nats(of_pair, "alone"), _nats(of_pair, "in_batch")]
        lines.append(_line([*cells, _median(of_pair, "requests"), _median(of_pair, "seconds")]))
    return lines


def _faults(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| planted fault | runs | found | right cause first | cause named | requests to the new "
        "engine, of these generating | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["pair"] for row in rows):
        of_fault = [row for row in rows if row["pair"] == name]
        found = [row for row in of_fault if row["standing"] == "different"]
        right = [row for row in found if row["causes"][0] == row["expected"]]
        named = ", ".join(dict.fromkeys(row["causes"][0] for row in found)) or "none"
        most = max(of_fault, key=lambda row: int(row["requests"]))
        cost = f"{most['requests']}, {most['generating']}"
        cells = [name, len(of_fault), len(found), len(right), named, cost]
        lines.append(_line([*cells, _median(of_fault, "seconds")]))
    return lines


def _nats(rows: Sequence[Row], name: str) -> str:
    values = [row[name]["value"] for row in rows if row[name] is not None]
    if not values:
        return "not measured"
    return f"{statistics.median(values):.2g} ({max(values):.2g})"


def _median(rows: Sequence[Row], name: str) -> str:
    return f"{statistics.median(row[name] for row in rows):.0f}" if rows else ""


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"
