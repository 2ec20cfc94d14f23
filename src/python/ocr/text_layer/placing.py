"""From a PDF page's own coordinates to points on the page as it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from ocr.geometry import Box


@dataclass(frozen=True, slots=True)
class Placing:
    """A turn by quarters, and a shift: what rotation and crop box of a PDF page amount to.

    A point (x, y) is shown at (a x + c y + right, b x + d y + down).

    Attributes:
        width: of the page as shown, in points.
        height: likewise.
    """

    a: int
    b: int
    c: int
    d: int
    right: float
    down: float
    width: float
    height: float

    def box(self, x1: float, y1: float, x2: float, y2: float) -> Box:
        """Return where a rectangle is shown."""
        left, right = sorted(
            (self.a * x1 + self.c * y1 + self.right, self.a * x2 + self.c * y2 + self.right)
        )
        top, bottom = sorted(
            (self.b * x1 + self.d * y1 + self.down, self.b * x2 + self.d * y2 + self.down)
        )
        return Box(left, top, right, bottom)

    def direction(self, x: float, y: float) -> tuple[float, float]:
        """Return where a direction points on the page as shown: right, down."""
        return self.a * x + self.c * y, self.b * x + self.d * y


def turned(box: Box, quarters: int, width: float, height: float) -> Box:
    """Return where a box is after its page was turned clockwise by quarters.

    Args:
        width: of the page before.
        height: likewise.
    """
    match quarters % 4:
        case 1:
            return Box(height - box.bottom, box.left, height - box.top, box.right)
        case 2:
            return Box(width - box.right, height - box.bottom, width - box.left, height - box.top)
        case 3:
            return Box(box.top, width - box.right, box.bottom, width - box.left)
    return box
