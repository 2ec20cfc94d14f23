"""Which image formats can be read, and how their files begin."""

from __future__ import annotations

import pi_heif  # type: ignore[import-untyped]

# Decoders alone, as a plug-in of Pillow; pillow-heif would bring encoders under the GPL.
pi_heif.register_heif_opener(thumbnails=False)

PILLOW_FORMATS = (
    "PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "JPEG2000", "AVIF", "HEIF",
)  # fmt: skip
NAMES = "PNG, JPEG, TIFF, WebP, HEIC, AVIF, JPEG 2000, GIF or BMP"

_BEGINNINGS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",  # JPEG
    b"II*\0", b"MM\0*", b"II+\0", b"MM\0+",  # TIFF and BigTIFF
    b"GIF87a", b"GIF89a",
    b"\0\0\0\x0cjP  \r\n\x87\n",  # JPEG 2000
    b"\xff\x4f\xff\x51",  # its bare codestream
)  # fmt: skip
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
"""Of ISO base media files that hold pictures (ISO/IEC 23008-12, AVIF 1.1)."""
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
"""Sizes of the second header of BMP files: their beginning alone is two letters."""


def is_image(content: bytes) -> bool:
    """Return whether it begins like an image that can be read."""
    if content.startswith(_BEGINNINGS):
        return True
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return True
    if content[:2] == b"BM":
        return int.from_bytes(content[14:18], "little") in _BMP_HEADERS
    return content[4:8] == b"ftyp" and content[8:12] in _BRANDS
