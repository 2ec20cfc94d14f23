"""The embedded engine: detection, orientation, skew, recognition."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version

import cv2
import numpy as np

from ocr.deadline import Deadline
from ocr.engines.engine import LinesReading, Pixels, ReadLine, ReadWord
from ocr.engines.rapid.coverage import Span, unread_spans
from ocr.engines.rapid.detection import Detector, TextArea
from ocr.engines.rapid.gutters import cut_at_gutters
from ocr.engines.rapid.recognition import ReadPiece, Recogniser
from ocr.engines.rapid.session import DETECTION, PACKAGE, RECOGNITION, model_file
from ocr.engines.settings import RapidSettings
from ocr.geometry import Box, around

_LONGEST = 1_280
"""Pixels of the longer side for detection: type of 10 points on a whole page is found."""
_SMALLER = 0.55
"""Factor on the sides of what is smaller than a page: as much as pages are made smaller."""
_SHORTEST = 640
_LONGEST_SMALL_TYPE = 2_240
_SMALL_TYPE = 13.0
"""Pixels of a line's height, as detection sees it; below, it looks again at a larger size."""
_NARROWING = 0.8
_UNSURE = 0.5
"""Confidence below which a line is a picture and not text."""
_MOSTLY_UNREAD = 0.5
"""Share of a line's width with ink that was not read, from which the rest is noise."""
_LOWEST_LINE = 10.0
"""Pixels, with the room that detection leaves around letters; lower than that are specks."""
_LETTERS = 1.5
"""How many times wider than high a line of a few letters is at least."""
_SURELY_UPRIGHT = 0.85
"""Confidence that no text reaches upside down."""
_SAMPLE = 5
"""Lines that tell whether a page is upside down."""
_SKEWED = 0.3
"""Degrees from which an image is straightened."""
_STANDING = 1.5
"""How many times higher than wide a line is that runs up or down."""


class RapidEngine:
    """Reads images with the models of the RapidOCR wheel; an `OcrEngine`."""

    whole_pages = False

    def __init__(self, settings: RapidSettings) -> None:
        # OpenCV would start a thread for every core of the machine, in every worker.
        cv2.setNumThreads(settings.threads)
        self._threads = settings.threads
        for file in (DETECTION, RECOGNITION):
            model_file(file)
        self.name = f"{PACKAGE} {version(PACKAGE)}"

    @cached_property
    def _detector(self) -> Detector:
        """Loaded when the first page needs it: most documents have their text with them."""
        return Detector(self._threads)

    @cached_property
    def _recogniser(self) -> Recogniser:
        return Recogniser(self._threads)

    @property
    def alphabet(self) -> frozenset[str]:
        """All characters that the recogniser can write."""
        return self._recogniser.alphabet

    def close(self) -> None:
        """Nothing is held but memory."""

    def read(self, image: Pixels, deadline: Deadline) -> LinesReading:
        """Read an image, whichever side is up.

        Raises:
            PageTimedOut: the deadline passed between two lines.
            EngineFailed: onnxruntime gave up.
        """
        areas = self._areas(image)
        deadline.remaining()
        quarters = 0
        if _runs_up_or_down(areas):
            quarters = 1
            image = np.ascontiguousarray(np.rot90(image, -1))
            areas = self._areas(image)
            deadline.remaining()
        read = self._sample(image, areas)
        if self._upside_down(image, areas, read):
            read = {}
            quarters += 2
            image = np.ascontiguousarray(np.rot90(image, 2))
            areas = [_half_turned(area, image) for area in areas]
        skew = _skew(areas)
        if abs(skew) >= _SKEWED:
            image, areas = _straightened(image, areas, skew)
        areas, read = _cut_apart(image, areas, read)
        lines: list[ReadLine] = []
        unread: list[Box] = []
        for index, area in enumerate(areas):
            deadline.remaining()
            pieces = read.get(index)
            if pieces is None:
                pieces = self._recogniser.read(_cut(image, area), _NARROWING)
            known = pieces if pieces and _mean_confidence(pieces) >= _UNSURE else []
            missed = unread_spans(_cut(image, area), known) if _is_like_text(area) else []
            share = sum(end - start for start, end in missed)
            if known and share < _MOSTLY_UNREAD:
                lines.append(_line(area, known))
                unread.extend(_part(_box(area), span) for span in missed)
            elif missed:
                unread.append(_box(area))
        height, width = image.shape[:2]
        return LinesReading(tuple(lines), width, height, quarters % 4, skew, image, tuple(unread))

    def _areas(self, image: Pixels) -> list[TextArea]:
        side = max(image.shape[:2])
        longest = min(_LONGEST, max(_SHORTEST, round(_SMALLER * side)))
        areas = self._detector.find(image, longest)
        factor = min(1.0, longest / side)
        if areas and factor < 1.0:
            low = statistics.quantiles([min(a.width, a.height) for a in areas] * 2, n=10)[1]
            if low * factor < _SMALL_TYPE:
                return self._detector.find(image, _LONGEST_SMALL_TYPE)
        return areas

    def _sample(self, image: Pixels, areas: Sequence[TextArea]) -> dict[int, list[ReadPiece]]:
        """Read the longest lines; return them by the index of their area."""
        longest = sorted(range(len(areas)), key=lambda i: -areas[i].width / areas[i].height)
        return {
            index: self._recogniser.read(_cut(image, areas[index]), _NARROWING)
            for index in longest[:_SAMPLE]
        }

    def _upside_down(
        self, image: Pixels, areas: Sequence[TextArea], read: Mapping[int, list[ReadPiece]]
    ) -> bool:
        """Return whether a sample that was read as it stands reads better the other way."""
        upright = _mean_confidence([piece for pieces in read.values() for piece in pieces])
        if not read or upright >= _SURELY_UPRIGHT:
            return False
        turned = [
            piece
            for index in read
            for piece in self._recogniser.read(np.rot90(_cut(image, areas[index]), 2), _NARROWING)
        ]
        return _mean_confidence(turned) > upright


def _cut_apart(
    image: Pixels, areas: Sequence[TextArea], read: Mapping[int, list[ReadPiece]]
) -> tuple[list[TextArea], dict[int, list[ReadPiece]]]:
    """Return lines cut at gutters, and what was read of those that are still whole."""
    cut: list[TextArea] = []
    kept: dict[int, list[ReadPiece]] = {}
    for index, parts in enumerate(cut_at_gutters(image, areas)):
        if len(parts) == 1 and index in read:
            kept[len(cut)] = read[index]
        cut.extend(parts)
    return cut, kept


def _is_like_text(area: TextArea) -> bool:
    """Return whether what could not be read has the shape of a line with a few letters."""
    return area.height >= _LOWEST_LINE and area.width >= _LETTERS * area.height


def _line(area: TextArea, pieces: Sequence[ReadPiece]) -> ReadLine:
    box = _box(area)
    words = tuple(
        ReadWord(
            piece.text,
            Box(
                box.left + piece.start * box.width,
                box.top,
                box.left + piece.end * box.width,
                box.bottom,
            ),
            piece.confidence,
        )
        for piece in pieces
    )
    return ReadLine(words, around(word.box for word in words))


def _part(box: Box, span: Span) -> Box:
    """Return the part of a line between two shares of its width."""
    left, right = (box.left + share * box.width for share in span)
    return Box(left, box.top, right, box.bottom)


def _mean_confidence(pieces: Sequence[ReadPiece]) -> float:
    letters = sum(len(piece.text) for piece in pieces)
    return sum(len(piece.text) * piece.confidence for piece in pieces) / max(letters, 1)


def _box(area: TextArea) -> Box:
    return Box(
        area.x - area.width / 2,
        area.y - area.height / 2,
        area.x + area.width / 2,
        area.y + area.height / 2,
    )


def _cut(image: Pixels, area: TextArea) -> Pixels:
    """Return an area as an upright image of its own."""
    width, height = max(1, round(area.width)), max(1, round(area.height))
    if abs(area.angle) < 0.01:
        left, top = max(0, round(area.x - width / 2)), max(0, round(area.y - height / 2))
        piece = image[top : top + height, left : left + width]
        if piece.size:
            return piece
    turn = cv2.getRotationMatrix2D((area.x, area.y), area.angle, 1.0)
    turn[:, 2] += np.array((width / 2 - area.x, height / 2 - area.y))
    return cv2.warpAffine(
        image, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.uint8)


def _runs_up_or_down(areas: Sequence[TextArea]) -> bool:
    """Return whether most of the text stands on its side. Short areas do not tell."""
    standing = sum(area.height for area in areas if area.height > _STANDING * area.width)
    lying = sum(area.width for area in areas if area.width > _STANDING * area.height)
    return standing > lying


def _half_turned(area: TextArea, image: Pixels) -> TextArea:
    height, width = image.shape[:2]
    return replace(area, x=width - area.x, y=height - area.y)


def _skew(areas: Sequence[TextArea]) -> float:
    """Return the degrees by which lines fall to the right: the median, by length."""
    long = [area for area in areas if area.width > 4 * area.height]
    weighted = sorted((area.angle, area.width) for area in long)
    half, total = sum(weight for _, weight in weighted) / 2, 0.0
    for angle, weight in weighted:
        total += weight
        if total >= half:
            return angle
    return 0.0


def _straightened(
    image: Pixels, areas: Sequence[TextArea], skew: float
) -> tuple[Pixels, list[TextArea]]:
    height, width = image.shape[:2]
    centre = (width / 2, height / 2)
    turn = cv2.getRotationMatrix2D(centre, skew, 1.0)
    straight = cv2.warpAffine(
        image, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.uint8)
    radians = math.radians(skew)
    cosine, sine = math.cos(radians), math.sin(radians)
    moved = []
    for area in areas:
        x, y = area.x - centre[0], area.y - centre[1]
        moved.append(
            replace(
                area,
                x=centre[0] + cosine * x + sine * y,
                y=centre[1] - sine * x + cosine * y,
                angle=area.angle - skew,
            )
        )
    return straight, moved
