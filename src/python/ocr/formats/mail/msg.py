"""Outlook's MSG files: properties in the streams of a compound file (MS-OXMSG, MS-OXPROPS)."""

from __future__ import annotations

import olefile  # type: ignore[import-untyped]

from ocr.errors import DocumentBroken, DocumentTooLarge
from ocr.formats.content import WholeDocument
from ocr.formats.mail.message import Attachment, Message, page_of
from ocr.formats.plain.decoding import decoded

_SUBJECT = "0037"
_SENDER_NAME = "0C1A"
_SENDER_SMTP = "5D01"
_SENDER_ADDRESS = "0C1F"
_TO = "0E04"
_CC = "0E03"
_BODY = "1000"
_HTML = "1013"
_ATTACHED_DATA = "3701"
_LONG_NAME = "3707"
_SHORT_NAME = "3704"
_DISPLAY_NAME = "3001"
_CONTENT_ID = "3712"
_UNICODE, _BYTE_STRING, _BINARY = "001F", "001E", "0102"

_MOST_ATTACHMENTS = 1_000
_MOST_BYTES = 256 * 1024 * 1024
"""Of all streams that are read: streams of a damaged file may share their sectors."""
_FAULTS = (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError)
"""What olefile is known to raise for damaged files, its own errors among them."""


def is_msg(file: olefile.OleFileIO) -> bool:
    """Return whether a compound file is a message."""
    return bool(file.exists("__properties_version1.0"))


def open_msg(file: olefile.OleFileIO) -> WholeDocument:
    """Return a message as a document of one page.

    Raises:
        DocumentBroken: it cannot be read.
        PageTooLarge: it has more than a page may have.
    """
    try:
        message = _Streams(file).message()
    except _FAULTS as error:
        raise DocumentBroken(f"it is an Outlook message that cannot be read: {error}") from None
    return WholeDocument("msg", [page_of(message)])


class _Streams:
    def __init__(self, file: olefile.OleFileIO) -> None:
        self._file = file
        self._read = 0

    def message(self) -> Message:
        """Return what the message has."""
        sender = self._text("", _SENDER_NAME)
        address = self._text("", _SENDER_SMTP) or self._text("", _SENDER_ADDRESS)
        if "@" in address and address != sender:
            sender = f"{sender} <{address}>".strip()
        html = self._bytes("", _HTML, _BINARY)
        return Message(
            subject=self._text("", _SUBJECT),
            head={"From": sender, "To": self._text("", _TO), "Cc": self._text("", _CC)},
            html=decoded(html).text if html else self._text("", _HTML) or None,
            text=self._text("", _BODY),
            attachments=self._attachments(),
        )

    def _attachments(self) -> list[Attachment]:
        folders = sorted(
            {path[0] for path in self._file.listdir() if path[0].startswith("__attach_version1.0_")}
        )
        if len(folders) > _MOST_ATTACHMENTS:
            raise DocumentBroken(
                f"it is a message with more than {_MOST_ATTACHMENTS:,} attachments"
            )
        return [
            Attachment(
                name=self._text(folder, _LONG_NAME)
                or self._text(folder, _SHORT_NAME)
                or self._text(folder, _DISPLAY_NAME)
                or "file without a name",
                content=self._bytes(folder, _ATTACHED_DATA, _BINARY),
                content_id=self._text(folder, _CONTENT_ID).strip("<>"),
            )
            for folder in folders
        ]

    def _text(self, folder: str, name: str) -> str:
        content = self._bytes(folder, name, _UNICODE)
        if content:
            return content.decode("utf-16-le", "replace").rstrip("\0").replace("\r\n", "\n")
        content = self._bytes(folder, name, _BYTE_STRING).rstrip(b"\0")
        return decoded(content).text if content else ""

    def _bytes(self, folder: str, name: str, kind: str) -> bytes:
        stream = f"__substg1.0_{name}{kind}"
        path = f"{folder}/{stream}" if folder else stream
        if self._file.get_type(path) != olefile.STGTY_STREAM:
            return b""
        self._read += self._file.get_size(path)
        if self._read > _MOST_BYTES:
            raise DocumentTooLarge(f"its streams have more than {_MOST_BYTES:,} bytes in all")
        content: bytes = self._file.openstream(path).read()
        return content
