"""EML files, read by the standard library."""

from __future__ import annotations

import email
import email.policy
import re
from email.errors import MessageError
from email.message import EmailMessage, MIMEPart

from ocr.errors import DocumentBroken
from ocr.formats.content import WholeDocument
from ocr.formats.mail.message import Attachment, Message, page_of
from ocr.formats.plain.decoding import decoded

_HEAD = ("From", "To", "Cc", "Date")
_MOST_PARTS = 1_000
_FIELD = re.compile(rb"(?:[!-9;-~]+:[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*){2,}")
_TELLING = re.compile(
    rb"^(?:from|to|received|return-path|mime-version|subject|date|message-id|delivered-to):",
    re.I | re.M,
)
_HEAD_WITHIN = 65_536
_FAULTS = (MessageError, LookupError, ValueError, TypeError, AttributeError, RecursionError)
"""What the standard library is known to raise for damaged messages."""


def is_eml(content: bytes) -> bool:
    """Return whether it begins with the header of a message: fields, three of them telling."""
    head = _FIELD.match(content[:_HEAD_WITHIN].lstrip(b"\r\n"))
    return head is not None and len(_TELLING.findall(head[0])) >= 3


def open_eml(content: bytes) -> WholeDocument:
    """Return a message as a document of one page.

    Raises:
        DocumentBroken: it cannot be read.
        PageTooLarge: it has more than a page may have.
    """
    try:
        message = _message(content)
    except _FAULTS as error:
        raise DocumentBroken(f"it is a message that cannot be read: {error}") from None
    return WholeDocument("eml", [page_of(message)])


def _message(content: bytes) -> Message:
    root = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(root, EmailMessage)
    html: str | None = None
    text: list[str] = []
    attachments: list[Attachment] = []
    for count, part in enumerate(_parts(root)):
        if count > _MOST_PARTS:
            raise DocumentBroken(f"it is a message of more than {_MOST_PARTS:,} parts")
        kind = part.get_content_type()
        if part.get_filename() is None and part.get_content_disposition() != "attachment":
            if kind == "text/html" and html is None:
                html = _text(part)
                continue
            if kind == "text/plain":
                text.append(_text(part))
                continue
        attachments.append(_attachment(part, kind))
    return Message(
        subject=_header(root, "Subject"),
        head={name: _header(root, name) for name in _HEAD},
        html=html,
        text="\n\n".join(text),
        attachments=attachments,
    )


def _parts(root: MIMEPart) -> list[MIMEPart]:
    """Return what is no container; a message within the message is one part."""
    found: list[MIMEPart] = []
    pending: list[MIMEPart] = [root]
    while pending:
        part = pending.pop()
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            pending.extend(reversed([inner for inner in payload if isinstance(inner, MIMEPart)]))
        else:
            found.append(part)
    return found


def _text(part: MIMEPart) -> str:
    content = part.get_payload(decode=True)
    charset = part.get_content_charset()
    return decoded(content, charset).text if isinstance(content, bytes) else ""


def _attachment(part: MIMEPart, kind: str) -> Attachment:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        content = part.as_bytes() if kind != "message/rfc822" else b""
    name = part.get_filename() or f"{kind.replace('/', ' ')} without a name"
    if "." not in name and kind.startswith("image/"):
        name = f"{name}.{kind.removeprefix('image/')}"
    return Attachment(name, content, str(part.get("Content-ID", "")).strip().strip("<>"))


def _header(root: EmailMessage, name: str) -> str:
    return " ".join(str(root.get(name, "")).split())
