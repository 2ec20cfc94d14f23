"""Cuts lines that the detector took for one where a narrow gutter parts two columns.

A gutter is white from one line to the next. Spaces between words are as well here and there, but
not at one place in many lines after each other, unless the lines say nearly the same, as in logs
and lists. Then the ink beside the white is nearly the same as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from ocr.engines.engine import Pixels
from ocr.engines.rapid.detection import TextArea

_ROWS = 7
"""Lines after each other that leave a gutter white. In prose, a space is a sixth of all letters, so
that seven lines have one at a given place once in 280,000 times."""
_WIDTH = 0.25
"""Heights of a line: a narrower stripe of white is a space between words."""
_BESIDE = 8.0
"""Heights of a line on each side of a stripe where lines are compared with each other."""
_ALIKE = 0.5
"""Mean correlation of the ink of lines after each other, from which they say nearly the same: lines
of prose have 0.0 to 0.2."""
_INNER = 4.0
"""Heights of a line that a column is wide at least."""
_LEVEL = 1.0
"""Degrees up to which a line is level."""
_BAND = 0.3
"""Share of a line's height above and below its middle where its ink is looked at: above and below
that its neighbours may reach in."""
_CONTRAST = 0.5
"""Of the way from the darkest to the lightest pixel of a line: what is darker is ink."""


def cut_at_gutters(image: Pixels, areas: Sequence[TextArea]) -> list[list[TextArea]]:
    """Return for each line its parts, mostly one: itself.

    Args:
        image: straightened.
        areas: its lines.
    """
    parts = [[area] for area in areas]
    level = [index for index, area in enumerate(areas) if abs(area.angle) <= _LEVEL]
    wide = [index for index in level if areas[index].width > 2 * _INNER * areas[index].height]
    if len(wide) < _ROWS:
        return parts
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    rows = _rows(areas, level)
    ink = np.zeros((len(rows), image.shape[1]), dtype=bool)
    for number, row in enumerate(rows):
        for index in row:
            _add_ink(ink[number], grey, areas[index])
    cuts: dict[int, set[tuple[int, int]]] = {}
    for first in range(len(rows) - _ROWS + 1):
        window = rows[first : first + _ROWS]
        white = np.logical_not(ink[first : first + _ROWS].max(axis=0))
        for index in (index for row in window for index in row if index in wide):
            beside = int(_BESIDE * areas[index].height)
            for start, end in _stripes(white, areas[index]):
                if not _are_alike(ink[first : first + _ROWS], start, end, beside):
                    cuts.setdefault(index, set()).add((start, end))
    for index, stripes in cuts.items():
        parts[index] = _cut(areas[index], _merged(stripes))
    return parts


def _rows(areas: Sequence[TextArea], level: Sequence[int]) -> list[list[int]]:
    """Return level lines by row, from the top."""
    rows: list[list[int]] = []
    for index in sorted(level, key=lambda index: areas[index].y):
        last = areas[rows[-1][0]] if rows else None
        if last is not None and areas[index].y - last.y < 0.5 * min(
            last.height, areas[index].height
        ):
            rows[-1].append(index)
        else:
            rows.append([index])
    return rows


def _add_ink(row: NDArray[np.bool_], grey: MatLike, area: TextArea) -> None:
    """Mark the columns of the image in which a line has ink."""
    top, bottom = area.y - _BAND * area.height, area.y + _BAND * area.height
    left, right = area.x - area.width / 2, area.x + area.width / 2
    start = max(0, int(left))
    band = grey[max(0, int(top)) : int(bottom) + 1, start : max(0, int(right))]
    if not band.size:
        return
    dark, light = int(band.min()), int(band.max())
    row[start : start + band.shape[1]] |= (band < dark + _CONTRAST * (light - dark)).any(axis=0)


def _stripes(white: NDArray[np.bool_], area: TextArea) -> list[tuple[int, int]]:
    """Return stripes of white that part a line into two of some width."""
    inner = _INNER * area.height
    left, right = int(area.x - area.width / 2 + inner), int(area.x + area.width / 2 - inner)
    if right <= left:
        return []
    edges = np.flatnonzero(np.diff(white[left:right].astype(np.int8), prepend=0, append=0))
    pairs = edges.reshape(-1, 2) + left
    return [(int(start), int(end)) for start, end in pairs if end - start >= _WIDTH * area.height]


def _are_alike(ink: NDArray[np.bool_], start: int, end: int, beside: int) -> bool:
    """Return whether lines are nearly the same, to the left or to the right of a stripe."""
    sides = (ink[:, max(0, start - beside) : start], ink[:, end : end + beside])
    return any(_mean_correlation(side.astype(np.float64)) >= _ALIKE for side in sides)


def _mean_correlation(rows: NDArray[np.float64]) -> float:
    """Return how much rows have in common with the next ones: 1 if all are the same."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.sqrt((centred**2).sum(axis=1))
    products = (centred[1:] * centred[:-1]).sum(axis=1)
    return float((products / np.maximum(lengths[1:] * lengths[:-1], 1e-9)).mean())


def _merged(stripes: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return stripes from the left; those that overlap, as windows of lines do, are one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(stripes):
        if merged and start <= merged[-1][1]:
            merged[-1] = max(merged[-1][0], start), min(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def _cut(area: TextArea, stripes: Sequence[tuple[int, int]]) -> list[TextArea]:
    edges = [area.x - area.width / 2]
    for start, end in stripes:
        edges += [start, end]
    edges.append(area.x + area.width / 2)
    return [
        replace(area, x=(left + right) / 2, width=right - left)
        for left, right in zip(edges[::2], edges[1::2], strict=True)
    ]
