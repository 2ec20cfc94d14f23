"""Finds drawn lines in the image of a page, for tables."""

from __future__ import annotations

import cv2
import numpy as np

from ocr.engines.engine import Pixels
from ocr.geometry import Box

_SHORTEST = 28
"""Pixels of the image as it is looked at."""
_THICKEST = 8
_LONGEST_SIDE = 1_700
_INK = 15
"""How much darker than its surroundings ink is, of 255."""


def drawn_rules(image: Pixels) -> list[Box]:
    """Return level and upright lines of an upright image, in its pixels."""
    height, width = image.shape[:2]
    factor = min(1.0, _LONGEST_SIDE / max(height, width))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if factor < 1.0:
        grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    ink = cv2.adaptiveThreshold(
        grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 31, _INK
    )
    found = []
    for kernel in ((_SHORTEST, 1), (1, _SHORTEST)):
        shape = np.ones(kernel[::-1], np.uint8)
        lines = cv2.dilate(cv2.erode(ink, shape), shape)
        # Lines in scans are not perfectly level: what touches when fattened is one.
        fat = np.ones((3, 3), np.uint8)
        outlines, _ = cv2.findContours(
            cv2.dilate(lines, fat), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        for outline in outlines:
            left, top, across, down = cv2.boundingRect(outline)
            if min(across, down) <= _THICKEST + 2:
                box = Box(left + 1, top + 1, left + across - 1, top + down - 1)
                found.append(box.scaled(1 / factor))
    return found
