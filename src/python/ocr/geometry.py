"""Where things are on a page: points (1/72 inch) from the top left corner, as it is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle whose sides are parallel to the page's."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Its extent from left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Its extent from top to bottom."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """Half way between top and bottom."""
        return (self.top + self.bottom) / 2

    @property
    def centre(self) -> float:
        """Half way between left and right."""
        return (self.left + self.right) / 2

    @property
    def area(self) -> float:
        """In square points; 0 if it is turned inside out."""
        return max(0.0, self.width) * max(0.0, self.height)

    def overlap(self, other: Box) -> float:
        """Return the area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)

    def within(self, other: Box, share: float = 0.5) -> bool:
        """Return whether at least this share of its area lies in the other."""
        return self.overlap(other) >= share * max(self.area, 1e-6)

    def shared_height(self, other: Box) -> float:
        """Return how much of the lower of the two lies beside the other: 0 to 1."""
        shared = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, shared) / max(min(self.height, other.height), 1e-6)

    def shared_width(self, other: Box) -> float:
        """Return how much of the narrower of the two lies above or below the other: 0 to 1."""
        shared = min(self.right, other.right) - max(self.left, other.left)
        return max(0.0, shared) / max(min(self.width, other.width), 1e-6)

    def grown(self, by: float) -> Box:
        """Return it with every side moved outwards."""
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def scaled(self, by: float) -> Box:
        """Return it in other units."""
        return Box(self.left * by, self.top * by, self.right * by, self.bottom * by)

    def moved(self, right: float, down: float) -> Box:
        """Return it elsewhere."""
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def clipped(self, to: Box) -> Box:
        """Return the part that lies in another."""
        return Box(
            max(self.left, to.left),
            max(self.top, to.top),
            min(self.right, to.right),
            min(self.bottom, to.bottom),
        )


def around(boxes: Iterable[Box]) -> Box:
    """Return the smallest box that holds all of at least one."""
    left, top, right, bottom = zip(
        *((box.left, box.top, box.right, box.bottom) for box in boxes), strict=True
    )
    return Box(min(left), min(top), max(right), max(bottom))
