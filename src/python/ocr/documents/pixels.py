"""From a frame of an image file to the pixels that are read: in bounds, flat, and upright."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile, ImageOps

from ocr.documents.document import PageImage
from ocr.errors import PageTooLarge

_POINTS = 72.0
_PLAUSIBLE_DPI = (70.0, 1200.0)
_PAGE_WIDTH = 8.27
"""Inches, of A4: what an image is taken for that does not say its resolution."""
_CHANNELS = 8
"""Of the largest image that is decoded whole: in bytes, it may have so many times the limit."""
_DRAFTS = (2, 4, 8)
"""What JPEG can be reduced by while it is decoded."""
_LIGHT = 170
_NEARLY_ALL = 0.9


@dataclass(frozen=True, slots=True)
class _Reduced:
    image: Image.Image
    factor: float


def page_image(image: Image.Image, limit: int) -> PageImage:
    """Return a frame as it is to be read. One with more pixels than the limit is made smaller.

    Raises:
        PageTooLarge: it cannot be decoded within the limit.
        OSError: its data are damaged; and what else Pillow's decoders raise.
    """
    reduced = _reduced(image, limit)
    dpi = _resolution(image.info, reduced)
    upright = ImageOps.exif_transpose(reduced.image)
    return PageImage(np.asarray(_flat(upright)), dpi, reduced_by=reduced.factor)


@contextmanager
def as_far_as_it_goes() -> Iterator[None]:
    """Let Pillow decode files that end too early, as far as they go."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def is_blank(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bool:
    """Return whether all pixels are alike."""
    return bool((pixels == pixels[:1, :1]).all())


def _reduced(image: Image.Image, limit: int) -> _Reduced:
    width, height = image.size
    pixels = width * height
    if pixels <= limit:
        image.load()
        return _Reduced(image, 1.0)
    if image.format in ("JPEG", "MPO"):
        factor = next((f for f in _DRAFTS if pixels / f**2 <= limit), _DRAFTS[-1])
        image.draft(None, (max(width // factor, 1), max(height // factor, 1)))
    elif image.format == "JPEG2000":
        # Each step halves both sides. A file has a few of them, mostly five.
        image.reduce = math.ceil(math.log2(math.sqrt(pixels / limit)))  # type: ignore[method-assign,assignment]
        image.load()
    elif pixels * len(image.getbands()) > _CHANNELS * limit:
        raise PageTooLarge(
            f"it has {pixels:,} pixels and the limit is {limit:,}; scan it at a lower resolution, "
            "or raise the limit with --max-pixels"
        )
    image.load()
    if image.width * image.height > limit:
        if image.mode in ("1", "P"):
            image = image.convert("L" if image.mode == "1" else "RGB")
        step = math.ceil(math.sqrt(image.width * image.height / limit))
        image = Image.Image.reduce(image, step)
    return _Reduced(image, width / image.width)


def _resolution(info: dict[str | tuple[int, int], object], reduced: _Reduced) -> float:
    said = info.get("dpi", (0.0, 0.0))
    horizontal = said[0] if isinstance(said, tuple) and said else 0.0
    dpi = float(horizontal or 0.0)
    low, high = _PLAUSIBLE_DPI
    if low < dpi <= high:
        return dpi / reduced.factor
    return max(min(reduced.image.size) / _PAGE_WIDTH, _POINTS / reduced.factor)


def _flat(image: Image.Image) -> Image.Image:
    """Return an image in RGB, on a background on which it is seen where it is transparent."""
    if image.mode.startswith(("I", "F")):
        # 16 bits and more: conversion to RGB would clip instead of scale.
        values = np.asarray(image, dtype=np.float32)
        top = float(values.max()) or 1.0
        return Image.fromarray((values / top * 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        seen = image.convert("RGBA")
        page = Image.new("RGBA", image.size, "black" if _is_light(seen) else "white")
        page.alpha_composite(seen)
        return page.convert("RGB")
    return image.convert("RGB")


def _is_light(image: Image.Image) -> bool:
    """Return whether what is not transparent is light, and less than half of the picture."""
    opacity = np.asarray(image.getchannel("A"), dtype=np.float32) / 255
    opaque = float(opacity.sum())
    if not 0 < opaque < opacity.size / 2:
        return False
    light = np.asarray(image.convert("RGB").convert("L")) > _LIGHT
    return float(opacity[light].sum()) >= _NEARLY_ALL * opaque
