"""Compound files (MS-CFB): Outlook's messages, encrypted Office files, and Office's old formats."""

from __future__ import annotations

import io

import olefile  # type: ignore[import-untyped]

from ocr.errors import DocumentBroken, EncryptionUnknown, FormatUnknown
from ocr.formats.content import WholeDocument
from ocr.formats.mail.msg import is_msg, open_msg

_OLD = {
    "WordDocument": ("DOC", "DOCX"),
    "Workbook": ("XLS", "XLSX"),
    "Book": ("XLS", "XLSX"),
    "PowerPoint Document": ("PPT", "PPTX"),
}


def is_compound(content: bytes) -> bool:
    """Return whether it begins like a compound file."""
    return content.startswith(olefile.MAGIC)


def open_compound(content: bytes) -> WholeDocument:
    """Return a message.

    Raises:
        DocumentRefused: it is another kind of compound file, damaged, or beyond a limit.
    """
    try:
        file = olefile.OleFileIO(io.BytesIO(content), raise_defects=olefile.DEFECT_INCORRECT)
    except (OSError, ValueError, IndexError, TypeError, RecursionError, OverflowError) as error:
        raise DocumentBroken(
            f"it begins like a compound file and cannot be read: {error}"
        ) from None
    with file:
        if is_msg(file):
            return open_msg(file)
        if file.exists("EncryptedPackage"):
            raise EncryptionUnknown(
                "it is an Office file with a password, which cannot be opened here; save it without"
            )
        for stream, (old, new) in _OLD.items():
            if file.exists(stream):
                raise FormatUnknown(f"it is a {old} file of old; save it as {new}, or as PDF")
    raise FormatUnknown("it is a compound file, and no Outlook message")
