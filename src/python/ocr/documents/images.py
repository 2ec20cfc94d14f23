"""PNG, JPEG, TIFF and WebP, read by Pillow. A file with several frames has several pages."""

from __future__ import annotations

import io
import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ocr.conversion.options import Limits
from ocr.documents.document import PageImage
from ocr.errors import DocumentBroken, PageBroken, PageTooLarge

# What is wrong with a file is raised as well, and told to whoever sent it.
logging.getLogger("PIL").setLevel(logging.CRITICAL)

# There is a limit of our own, which is looked at before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP")
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_POINTS = 72.0
_PLAUSIBLE_DPI = (70.0, 1200.0)
_PAGE_WIDTH = 8.27
"""Inches, of A4: what an image is taken for that does not say its resolution."""
_DECODER_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    IndexError,
    KeyError,
    TypeError,
    ZeroDivisionError,
    OverflowError,
    Image.DecompressionBombError,
)
"""What Pillow's decoders are known to raise for damaged files."""


def is_image(content: bytes) -> bool:
    """Return whether it begins like an image that can be read."""
    return content.startswith(_BEGINNINGS) or (content[:4] == b"RIFF" and content[8:12] == b"WEBP")


class ImageDocument:
    """An open image file; a `Document`."""

    def __init__(self, content: bytes, limits: Limits) -> None:
        try:
            with _no_warnings():
                self._image = Image.open(io.BytesIO(content), formats=_FORMATS)
                self.page_count = int(getattr(self._image, "n_frames", 1))
        except UnidentifiedImageError:
            raise DocumentBroken("it begins like an image and cannot be decoded") from None
        except _DECODER_ERRORS as error:
            raise DocumentBroken(f"it begins like an image and cannot be read: {error}") from None
        self.format = (self._image.format or "image").lower()
        self._limits = limits

    def __enter__(self) -> ImageDocument:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._image.close()

    def page(self, number: int) -> ImagePage:
        """Return one page.

        Raises:
            PageBroken: the file ends before it.
            PageTooLarge: it has more pixels than the limit.
        """
        try:
            with _no_warnings():
                self._image.seek(number - 1)
        except _DECODER_ERRORS as error:
            raise PageBroken(f"it cannot be found in the file: {error}") from None
        width, height = self._image.size
        if width * height > self._limits.pixels:
            raise PageTooLarge(
                f"it has {width * height:,} pixels and the limit is {self._limits.pixels:,}; scan "
                "it at a lower resolution, or raise the limit"
            )
        return ImagePage(self._image, number)


class ImagePage:
    """A frame of an image file; a `SourcePage`."""

    def __init__(self, image: Image.Image, number: int) -> None:
        self._image = image
        self.number = number

    def text_layer(self) -> None:
        """Return None: an image has no text of its own."""

    def image(self) -> PageImage:
        """Decode the frame, upright as its metadata say, on white where it is transparent.

        Raises:
            PageBroken: it cannot be decoded.
        """
        try:
            with _no_warnings():
                dpi = _resolution(self._image)
                upright = ImageOps.exif_transpose(self._image)
                flat = _on_white(upright)
        except _DECODER_ERRORS as error:
            raise PageBroken(f"it cannot be decoded: {error}") from None
        return PageImage(np.asarray(flat), dpi)


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Keep Pillow's warnings of damaged metadata off the terminal: a page is as good without."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _resolution(image: Image.Image) -> float:
    horizontal = image.info.get("dpi", (0.0, 0.0))[0]
    dpi = float(horizontal or 0.0)
    low, high = _PLAUSIBLE_DPI
    return dpi if low < dpi <= high else max(min(image.size) / _PAGE_WIDTH, _POINTS)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        # 16 bits and more: conversion to RGB would clip instead of scale.
        values = np.asarray(image, dtype=np.float32)
        top = float(values.max()) or 1.0
        return Image.fromarray((values / top * 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        page = Image.new("RGBA", image.size, "white")
        page.alpha_composite(image.convert("RGBA"))
        return page.convert("RGB")
    return image.convert("RGB")
