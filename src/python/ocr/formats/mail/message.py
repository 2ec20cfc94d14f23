"""A message as a page: who wrote to whom, the text, and what was attached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from ocr.formats.content import StructuredPage
from ocr.formats.plain.text import add_text
from ocr.formats.web.html import add_html
from ocr.formats.web.parsing import parsed_html

_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".avif")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message.

    Attributes:
        name: as the sender called it.
        content_id: by which the message's HTML refers to it; empty if it does not.
    """

    name: str
    content: bytes
    content_id: str = ""

    @property
    def is_picture(self) -> bool:
        """Whether it is an image, as far as its name says."""
        return self.name.lower().endswith(_PICTURES)


@dataclass(slots=True)
class Message:
    """What a message has.

    Attributes:
        subject: its title.
        head: who wrote to whom and when, by the names of the header fields.
        html: its text as HTML; None if there is only plain text.
        text: its plain text.
    """

    subject: str = ""
    head: Mapping[str, str] = field(default_factory=dict)
    html: str | None = None
    text: str = ""
    attachments: Sequence[Attachment] = ()


def page_of(message: Message) -> StructuredPage:
    """Return a message as a page. Attached images are read; other files are listed by name.

    Raises:
        DocumentBroken: its HTML cannot be read.
        PageTooLarge: it has more than a page may have.
    """
    page = StructuredPage(1, "a message")
    page.heading(message.subject, 1)
    for name, value in message.head.items():
        if value:
            page.paragraph(f"{name}: {value}")
    by_id = {found.content_id: found for found in message.attachments if found.content_id}
    shown: set[str] = set()

    def resolve(reference: str) -> bytes | None:
        scheme, _, name = reference.partition(":")
        found = by_id.get(unquote(name)) if scheme.lower() == "cid" else None
        if found is None:
            return None
        shown.add(found.content_id)
        return found.content

    if message.html is not None and message.html.strip():
        add_html(parsed_html(message.html), page, resolve)
    else:
        add_text(message.text, page)
    for attachment in message.attachments:
        if attachment.content_id in shown:
            continue
        page.item(f"Attachment: {attachment.name} ({len(attachment.content):,} bytes)", 1)
        if attachment.is_picture:
            page.picture(attachment.content)
        else:
            page.notices["attachment_unread"] += 1
    return page
