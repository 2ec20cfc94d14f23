"""Plots as SVG, without a library and without a script: they are read on paper too.

Colours are classes that the page's style gives, so that a plot is right in the dark as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 40
_TICKS = 4
_DIGITS = 10.0


@dataclass(frozen=True)
class Series:
    """One line of a plot, or one colour of bars. A value that was not measured is None."""

    name: str
    values: tuple[float | None, ...]


def line_plot(title: str, unit: str, labels: Sequence[str], series: Sequence[Series]) -> str:
    """Return a plot of values over runs.

    Args:
        title: for those who cannot see it.
        labels: of the runs.
    """
    scale = _Scale(series)
    step = (WIDTH - LEFT - RIGHT) / max(1, len(labels) - 1)
    places = [
        LEFT + (step * i if len(labels) > 1 else (WIDTH - LEFT - RIGHT) / 2)
        for i in range(len(labels))
    ]
    parts = [scale.grid(unit), _labels(labels, places)]
    for number, each in enumerate(series):
        points = [
            (place, scale.y(value), value)
            for place, value in zip(places, each.values, strict=True)
            if value is not None
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
        parts.append(f'<polyline class="line s{number}" points="{path}"/>')
        parts += [
            f'<circle class="dot s{number}" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
            f"<title>{escape(each.name)}: {value:g} {escape(unit)}</title></circle>"
            for x, y, value in points
        ]
    return _svg(title, parts)


def bar_plot(title: str, unit: str, labels: Sequence[str], series: Sequence[Series]) -> str:
    """Return a plot of groups of bars: a group for each label, a bar for each series."""
    scale = _Scale(series)
    group = (WIDTH - LEFT - RIGHT) / max(1, len(labels))
    bar = min(48.0, group * 0.7 / max(1, len(series)))
    middles = [LEFT + group * (i + 0.5) for i in range(len(labels))]
    parts = [scale.grid(unit), _labels(labels, middles)]
    for number, each in enumerate(series):
        for middle, value in zip(middles, each.values, strict=True):
            if value is None:
                continue
            x = middle + bar * (number - len(series) / 2)
            y = scale.y(value)
            parts.append(
                f'<rect class="bar s{number}" x="{x + 1:.1f}" y="{y:.1f}" width="{bar - 2:.1f}" '
                f'height="{HEIGHT - BOTTOM - y:.1f}"/>'
                f'<text class="value" x="{x + bar / 2:.1f}" y="{y - 4:.1f}">{_short(value)}</text>'
            )
    return _svg(title, parts)


def legend(series: Sequence[Series]) -> str:
    """Return what the colours mean, as HTML that wraps on a narrow screen."""
    items = "".join(
        f'<li><span class="key s{number}"></span>{escape(each.name)}</li>'
        for number, each in enumerate(series)
    )
    return f'<ul class="legend">{items}</ul>'


class _Scale:
    """The vertical axis, from zero to a round number above everything."""

    def __init__(self, series: Sequence[Series]) -> None:
        values = [value for each in series for value in each.values if value is not None]
        self.top = _round_up(max(values, default=1.0))

    def y(self, value: float) -> float:
        """Return where a value is."""
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / self.top

    def grid(self, unit: str) -> str:
        """Return the lines and what they mean."""
        lines = []
        for tick in range(_TICKS + 1):
            value = self.top * tick / _TICKS
            y = self.y(value)
            lines.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}">{_short(value)}</text>'
            )
        lines.append(f'<text class="unit" x="4" y="{HEIGHT - 6}">{escape(unit)}</text>')
        return "".join(lines)


def _round_up(value: float) -> float:
    """Return 1, 2 or 5 times a power of ten, not below a value."""
    if value <= 0:
        return 1.0
    power = _DIGITS ** math.floor(math.log10(value))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= value)


def _labels(labels: Sequence[str], places: Sequence[float]) -> str:
    return "".join(
        f'<text class="label" x="{place:.1f}" y="{HEIGHT - BOTTOM + 18}">{escape(label)}</text>'
        for label, place in zip(labels, places, strict=True)
    )


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _svg(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
