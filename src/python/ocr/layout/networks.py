"""Drawn lines that touch each other, as networks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ocr.geometry import Box

NEAR = 3.0
"""Points within which lines meet, and within which two lines are one."""
_SHORTEST = 8.0
_MOST_LINES = 4_000
_HIGHEST_ROW = 36.0
"""Points between two lines of equal extent that are rows of one table, if nothing joins them."""
_FEWEST = 4
"""Lines that enclose anything."""


def networks_of(rules: Sequence[Box]) -> list[list[Box]]:
    """Return lines that touch, directly or through others, as one network each.

    Time grows with the number of lines, times those that lie at the same height: a front of lines
    that still reach down is carried along, and sets of lines are united (Tarjan, 1975).
    """
    long = [rule for rule in rules if max(rule.width, rule.height) >= _SHORTEST]
    long = sorted(set(long), key=lambda rule: rule.top)[:_MOST_LINES]
    if len(long) < _FEWEST:
        return []
    edges = np.array([(rule.left, rule.top, rule.right, rule.bottom) for rule in long])
    parents = list(range(len(long)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    front = np.empty(0, dtype=np.int64)
    for index, (left, top, right, _) in enumerate(edges):
        front = front[edges[front, 3] >= top - NEAR]
        meets = (edges[front, 0] <= right + NEAR) & (edges[front, 2] >= left - NEAR)
        for other in front[meets].tolist():
            parents[root(other)] = root(index)
        front = np.append(front, index)
    for above, below in pairwise(_level_ones(long)):
        if _are_rows(long[above], long[below]):
            parents[root(above)] = root(below)
    networks: dict[int, list[Box]] = {}
    for index, rule in enumerate(long):
        networks.setdefault(root(index), []).append(rule)
    return [network for network in networks.values() if len(network) >= _FEWEST]


def _level_ones(rules: Sequence[Box]) -> list[int]:
    """Return the indices of level lines, those of one extent after each other, from the top."""
    level = [index for index, rule in enumerate(rules) if rule.width > rule.height]
    return sorted(
        level, key=lambda i: (round(rules[i].left), round(rules[i].right), rules[i].middle)
    )


def _are_rows(above: Box, below: Box) -> bool:
    """Return whether two level lines are those above and below a row of one table."""
    return (
        abs(above.left - below.left) <= NEAR
        and abs(above.right - below.right) <= NEAR
        and 0 <= below.middle - above.middle <= _HIGHEST_ROW
    )
