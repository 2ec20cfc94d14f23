"""EML and MSG: who wrote to whom, the text, and what was attached."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from ocr.engines.rapid.engine import RapidEngine
from ocr.engines.settings import RapidSettings
from ocr.errors import DocumentRefused
from ocr_testing.compound import compound
from ocr_testing.office import picture_of
from ocr_testing.reading import read


def message(html: str | None = None) -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = "Harbour works: Größe der Schleuse"
    made["From"] = "Ada <ada@example.org>"
    made["To"] = "harbour@example.org"
    made["Date"] = "Tue, 3 Mar 2026 10:00:00 +0000"
    made.set_content("The crane is back.\n\nNo boats on Friday.\n")
    if html is not None:
        made.add_alternative(html, subtype="html")
    return made


HEAD = (
    "# Harbour works: Größe der Schleuse\n\nFrom: Ada \\<ada@example.org>\n\n"
    "To: harbour@example.org\n\nDate: Tue, 03 Mar 2026 10:00:00 +0000\n\n"
)


def test_a_message_of_plain_text() -> None:
    result = read(bytes(message()))
    assert result.markdown == HEAD + "The crane is back.\n\nNo boats on Friday."
    assert result.page_source_by_page == {"0001": "document"}


def test_html_goes_before_its_plain_copy_and_pictures_are_read() -> None:
    made = message("<h2>News</h2><ul><li>Crane</ul><img src='cid:pic@x'>")
    made.add_attachment(
        picture_of("Depth four metres"), "image", "png", cid="<pic@x>", filename="d.png"
    )
    made.add_attachment(b"%PDF-1.7", "application", "pdf", filename="plan.pdf")
    result = read(bytes(made), RapidEngine(RapidSettings()))
    assert result.markdown == (
        HEAD + "## News\n\n- Crane\n\nDepth four metres\n\n- Attachment: plan.pdf (8 bytes)"
    )
    assert [(w.code, w.incomplete) for w in result.warnings] == [("attachment_unread", False)]


def test_what_an_eml_file_is_called_decides_only_in_doubt() -> None:
    assert read(b"Note: this\nMind: that\n").markdown == "Note: this\n\nMind: that"
    assert read(b"Subject: S\n\nbody", said="eml").markdown == "# S\n\nbody"


def test_parts_within_parts_end() -> None:
    nested = b""
    for number in range(3_000):
        nested += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number)
    content = b"From: a@b\r\nTo: c@d\r\nSubject: deep\r\nMIME-Version: 1.0\r\n" + nested
    with pytest.raises(DocumentRefused, match="cannot be read|nested"):
        read(content)


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


def test_an_outlook_message() -> None:
    content = compound(
        {
            "__properties_version1.0": b"\0" * 32,
            "__substg1.0_0037001F": utf16("Harbour works"),
            "__substg1.0_0C1A001F": utf16("Ada"),
            "__substg1.0_5D01001F": utf16("ada@example.org"),
            "__substg1.0_0E04001F": utf16("Harbour office"),
            "__substg1.0_1000001F": utf16("The crane is back.\r\n\r\nNo boats on Friday."),
            "__attach_version1.0_#00000000": {
                "__substg1.0_3707001F": utf16("plan.pdf"),
                "__substg1.0_37010102": b"%PDF-1.7",
            },
        }
    )
    result = read(content)
    assert result.markdown == (
        "# Harbour works\n\nFrom: Ada \\<ada@example.org>\n\nTo: Harbour office\n\n"
        "The crane is back.\n\nNo boats on Friday.\n\n- Attachment: plan.pdf (4,096 bytes)"
    )
    assert [w.code for w in result.warnings] == ["attachment_unread"]


@pytest.mark.parametrize(
    ("stream", "sentence"),
    [
        ("EncryptedPackage", "an Office file with a password"),
        ("WordDocument", "a DOC file of old; save it as DOCX"),
        ("Workbook", "an XLS file of old|a XLS file of old"),
        ("Other", "no Outlook message"),
    ],
)
def test_other_compound_files_are_named(stream: str, sentence: str) -> None:
    with pytest.raises(DocumentRefused, match=sentence):
        read(compound({stream: b"x"}))
