"""Finds lines of text in an image: differentiable binarization (Liao et al., AAAI 2020).

The model says for every pixel how likely it is the core of a line; what is likely enough is
outlined, and the outline is grown by what the training had shrunk it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike

from ocr.engines.engine import Pixels
from ocr.engines.rapid.session import DETECTION, Floats, Model

_MULTIPLE = 32
"""Sides that the network can halve often enough."""
_CORE = 0.3
_SCORE = 0.5
_GROWTH = 1.6
_SMALLEST = 3.0
"""Pixels of the map; smaller cores are specks."""
_MOST_LINES = 3_000


@dataclass(frozen=True, slots=True)
class TextArea:
    """A rectangle, perhaps turned, that holds a line of text.

    Attributes:
        x: of its centre, in pixels of the image.
        y: likewise.
        width: along the line.
        height: across it.
        angle: degrees by which the line falls to the right; -45 to 45 where it is wider than high.
    """

    x: float
    y: float
    width: float
    height: float
    angle: float


class Detector:
    """Finds text. Not to be used by two threads at once."""

    def __init__(self, threads: int) -> None:
        self._model = Model(DETECTION, threads)

    def find(self, image: Pixels, longest: int) -> list[TextArea]:
        """Return the lines of an image.

        Args:
            longest: pixels of the longer side that the model sees. More costs time in proportion to
                its square and finds smaller type.
        """
        height, width = image.shape[:2]
        factor = min(1.0, longest / max(height, width))
        seen_height, seen_width = (
            max(_MULTIPLE, round(side * factor / _MULTIPLE) * _MULTIPLE) for side in (height, width)
        )
        small = cv2.resize(image, (seen_width, seen_height), interpolation=cv2.INTER_AREA)
        likely = self._model.run(_normalised(small))[0, 0]
        return _areas(likely, width / seen_width, height / seen_height)


def _normalised(image: MatLike) -> Floats:
    """Return the image as the network was trained: blue first, -1 to 1, channels first."""
    values = image[:, :, ::-1].astype(np.float32) / 127.5 - 1.0
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def _areas(likely: Floats, across: float, down: float) -> list[TextArea]:
    core = (likely > _CORE).astype(np.uint8)
    core = cv2.dilate(core, np.ones((2, 2), np.uint8)).astype(np.uint8)
    outlines, _ = cv2.findContours(core, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    areas = []
    for outline in outlines[:_MOST_LINES]:
        area = cv2.minAreaRect(outline)
        (x, y), (width, height), angle = area
        if min(width, height) < _SMALLEST or _mean(likely, cv2.boxPoints(area)) < _SCORE:
            continue
        grown = width * height * _GROWTH / (2 * (width + height)) * 2
        width, height = width + grown, height + grown
        if abs(angle) > 45:
            # OpenCV's versions differ in which side they call the width.
            width, height, angle = height, width, angle - math.copysign(90, angle)
        areas.append(TextArea(x * across, y * down, width * across, height * down, angle))
    return areas


def _mean(likely: Floats, corners: MatLike) -> float:
    """Return how likely the pixels of a rectangle are text."""
    height, width = likely.shape
    left, top = np.floor(corners.min(axis=0)).astype(int).clip(0, (width - 1, height - 1))
    right, bottom = np.ceil(corners.max(axis=0)).astype(int).clip(0, (width - 1, height - 1))
    mask = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(mask, [(corners - (left, top)).astype(np.int32)], 1)
    mean = cv2.mean(likely[top : bottom + 1, left : right + 1], mask)[0]
    return mean if math.isfinite(mean) else 0.0
