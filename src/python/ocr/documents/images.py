"""Image files, read by Pillow. A TIFF file may have several pages; every other image is one."""

from __future__ import annotations

import io
import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType

from PIL import Image, UnidentifiedImageError

from ocr.conversion_options import Limits
from ocr.documents.document import PageImage
from ocr.documents.image_formats import PILLOW_FORMATS, is_image
from ocr.documents.pixels import as_far_as_it_goes, is_blank, page_image
from ocr.errors import DocumentBroken, PageBroken
from ocr.page_warning import PageWarning

__all__ = ["ImageDocument", "ImagePage", "is_image"]

# What is wrong with a file is raised as well, and told to whoever sent it.
logging.getLogger("PIL").setLevel(logging.CRITICAL)

# There is a limit of our own, which is looked at before anything is decoded.
Image.MAX_IMAGE_PIXELS = None

_REDUCED_RESOLUTION = 1
"""Bit of TIFF's NewSubfileType that marks another frame's thumbnail (TIFF 6.0, page 36)."""
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE = 254, 255
_OLD_THUMBNAIL = 2
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
    RuntimeError,
    Image.DecompressionBombError,
)
"""What Pillow's decoders are known to raise for damaged files."""


class ImageDocument:
    """An open image file; a `Document`."""

    def __init__(self, content: bytes, limits: Limits) -> None:
        self._content = content
        self._limits = limits
        self._image = _opened(content)
        self.format = (self._image.format or "image").lower()
        try:
            with _no_warnings():
                self._frames = list(_pages_of(self._image, limits.pages))
                self._others = 0
                if self.format not in ("tiff", "mpo"):
                    self._others = int(getattr(self._image, "n_frames", 1)) - 1
        except _DECODER_ERRORS as error:
            raise DocumentBroken(f"it begins like an image and cannot be read: {error}") from None
        self.page_count = len(self._frames)

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
        """
        frame = self._frames[number - 1]
        try:
            with _no_warnings():
                self._image.seek(frame)
        except _DECODER_ERRORS as error:
            raise PageBroken(f"it cannot be found in the file: {error}") from None
        return ImagePage(self._image, number, self._content, self._limits, self._others)


class ImagePage:
    """A frame of an image file; a `SourcePage`."""

    def __init__(
        self, image: Image.Image, number: int, content: bytes, limits: Limits, others: int
    ) -> None:
        self._image = image
        self.number = number
        self._content = content
        self._limits = limits
        self._others = others

    def text_layer(self) -> None:
        """Return None: an image has no text of its own."""

    def image(self) -> PageImage:
        """Decode the frame, upright as its metadata say, and flat where it is transparent.

        A file that ends too early gives what is there of its picture, with a warning.

        Raises:
            PageBroken: it cannot be decoded.
            PageTooLarge: it cannot be decoded within the limit.
        """
        size = self._image.size
        try:
            with _no_warnings():
                found = page_image(self._image, self._limits.pixels)
        except _DECODER_ERRORS as error:
            found = self._partly(error)
        return replace(found, warnings=(*found.warnings, *self._warnings(found, size)))

    def _partly(self, error: Exception) -> PageImage:
        """Return what there is of a picture that could not be decoded whole."""
        broken = PageBroken(f"it cannot be decoded: {error}")
        if self._image.format not in ("PNG", "JPEG", "MPO"):
            raise broken from None
        try:
            with _no_warnings(), as_far_as_it_goes(), _opened(self._content) as image:
                found = page_image(image, self._limits.pixels)
        except (*_DECODER_ERRORS, DocumentBroken):
            raise broken from None
        if is_blank(found.pixels):
            raise broken from None
        message = f"the file is damaged or ends too early ({error}); what is there of it was read"
        return replace(found, warnings=(PageWarning("picture_truncated", message, True),))

    def _warnings(self, found: PageImage, size: tuple[int, int]) -> Iterator[PageWarning]:
        if found.reduced_by > 1:
            pixels = size[0] * size[1]
            yield PageWarning(
                "resolution_reduced",
                f"it has {pixels:,} pixels and the limit is {self._limits.pixels:,}, so it was "
                f"read at 1/{found.reduced_by:.3g} of its size; --max-pixels raises the limit",
                False,
            )
        if self._others > 0:
            yield PageWarning(
                "first_picture_only",
                f"it has {self._others + 1:,} pictures, of which the first was read",
                False,
            )


def _opened(content: bytes) -> Image.Image:
    try:
        with _no_warnings():
            return Image.open(io.BytesIO(content), formats=PILLOW_FORMATS)
    except UnidentifiedImageError:
        raise DocumentBroken("it begins like an image and cannot be decoded") from None
    except _DECODER_ERRORS as error:
        raise DocumentBroken(f"it begins like an image and cannot be read: {error}") from None


def _pages_of(image: Image.Image, most: int) -> Iterator[int]:
    """Yield the frames that are pages: of a TIFF file, all but thumbnails.

    Args:
        most: that are of interest; frames beyond it are not looked for.
    """
    if image.format != "TIFF":
        yield 0
        return
    found = 0
    for frame in range(most * 2 + 2):
        try:
            image.seek(frame)
        except EOFError:
            break
        except _DECODER_ERRORS:
            if frame == 0:
                raise
            # It is announced and cannot be read: a page that fails, and the last one.
            yield frame
            return
        if not _is_thumbnail(image):
            found += 1
            yield frame
            if found > most:
                return
    if not found:
        yield 0


def _is_thumbnail(image: Image.Image) -> bool:
    tags = getattr(image, "tag_v2", {})
    kind = tags.get(_NEW_SUBFILE_TYPE, 0)
    reduced = isinstance(kind, int) and bool(kind & _REDUCED_RESOLUTION)
    return reduced or tags.get(_SUBFILE_TYPE) == _OLD_THUMBNAIL


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Keep Pillow's warnings of damaged metadata off the terminal: a page is as good without."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
