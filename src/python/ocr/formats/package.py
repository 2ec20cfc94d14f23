"""Zip archives that hold a document, read within bounds and never written to a disk."""

from __future__ import annotations

import io
import posixpath
import struct
import zlib
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from ocr.errors import DocumentBroken, DocumentTooLarge, EncryptionUnknown

MAX_UNPACKED = 512 * 1024 * 1024
"""Bytes that one document may be made to inflate to, in all."""

MAX_XML = 64 * 1024 * 1024
"""Bytes of a part that is held as a tree, which takes some ten times as much."""

_MAX_DIRECTORY = 8 * 1024 * 1024
"""Bytes of an archive's directory: some 100,000 files. It is read whole before anything else."""

_END = b"PK\x05\x06"
_LONG_END = b"PK\x06\x06"
_END_WITHIN = 65_557
"""Bytes from the end of a file within which an archive's directory is said to be."""

_FAULTS = (BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error, NotImplementedError)


def is_archive(content: bytes) -> bool:
    """Return whether it begins like a zip archive."""
    return content.startswith(b"PK\x03\x04")


class Package:
    """The parts of one document. Names are looked up as they are; nothing is extracted.

    Raises:
        DocumentBroken: it is no archive that can be read.
        DocumentTooLarge: its directory is too large.
    """

    def __init__(self, content: bytes) -> None:
        if _directory_size(content) > _MAX_DIRECTORY:
            raise DocumentTooLarge(
                f"it is an archive whose directory has more than {_MAX_DIRECTORY:,} bytes"
            )
        try:
            self._archive = ZipFile(io.BytesIO(content))
        except _FAULTS as error:
            raise DocumentBroken(f"it begins like an archive and cannot be read: {error}") from None
        self._members = {info.filename.lstrip("/"): info for info in self._archive.infolist()}
        self._folded = {name.lower(): name for name in self._members}
        self._unpacked = 0

    def names(self) -> list[str]:
        """Return the names of all parts."""
        return list(self._members)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._folded

    def read(self, name: str, limit: int = MAX_XML) -> bytes:
        """Return a part. What an archive says of its sizes is not believed.

        Raises:
            DocumentBroken: it is not there, or damaged.
            DocumentTooLarge: it, or all that was read so far, inflates beyond the limit.
            EncryptionUnknown: it needs a password.
        """
        known = self._folded.get(name.lower())
        if known is None:
            raise DocumentBroken(f"it has no part {name[:200]!r}")
        info = self._members[known]
        if info.flag_bits & 1:
            raise EncryptionUnknown("it is an encrypted archive; send it without a password")
        if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise DocumentBroken(f"its part {name[:200]!r} is compressed by an unknown method")
        room = min(limit, MAX_UNPACKED - self._unpacked)
        try:
            with self._archive.open(info) as part:
                content = part.read(room + 1)
        except _FAULTS as error:
            raise DocumentBroken(f"its part {name[:200]!r} cannot be read: {error}") from None
        if len(content) > room:
            raise DocumentTooLarge(
                f"its part {name[:200]!r} inflates beyond the limit of {limit:,} bytes of a part, "
                f"or of {MAX_UNPACKED:,} of all"
            )
        self._unpacked += len(content)
        return content


def joined(folder: str, target: str) -> str:
    """Return the name of a part as another part in a folder refers to it."""
    if target.startswith("/"):
        return posixpath.normpath(target).lstrip("/")
    return posixpath.normpath(posixpath.join(folder, target)).lstrip("/")


def _directory_size(content: bytes) -> int:
    """Return how large an archive's directory says it is; 0 if it is not found.

    https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.14 and 4.3.16
    """
    end = content.rfind(_END, max(0, len(content) - _END_WITHIN))
    if end < 0 or end + 16 > len(content):
        return 0
    long_end = content.rfind(_LONG_END, max(0, end - 20 - _END_WITHIN), end)
    sizes = [int.from_bytes(content[end + 12 : end + 16], "little")]
    if long_end >= 0:
        sizes.append(int.from_bytes(content[long_end + 40 : long_end + 48], "little"))
        sizes = [size for size in sizes if size != 0xFFFFFFFF]
    return max(sizes, default=0)
