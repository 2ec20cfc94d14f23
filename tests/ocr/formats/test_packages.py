"""Archives that are bombs, lie about themselves, or hold something else: refused in a sentence."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from ocr.errors import DocumentRefused
from ocr.formats import package
from ocr.formats.package import Package
from ocr_testing.office import part, repacked, slides, word
from ocr_testing.reading import read

LAUGHS = (
    b'<!DOCTYPE w [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)


def archive(**parts: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return file.getvalue()


def test_a_part_that_inflates_beyond_its_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = repacked(word(), {"word/document.xml": b" " * 70_000_000})
    assert len(content) < 200_000
    with pytest.raises(DocumentRefused, match="inflates beyond the limit") as refused:
        read(content)
    assert refused.value.code == "document_too_large"


def test_all_parts_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MAX_UNPACKED", 1_000_000)
    found = Package(archive(a=b"a" * 600_000, b=b"b" * 600_000))
    found.read("a")
    with pytest.raises(DocumentRefused, match="1,000,000 of all"):
        found.read("b")


def test_the_size_that_an_archive_claims_is_not_believed() -> None:
    content = bytearray(archive(a=b"a" * 70_000_000))
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = struct.pack("<I", 10)
    with pytest.raises(DocumentRefused):
        Package(bytes(content)).read("a")


def test_a_huge_directory_is_refused_before_it_is_read() -> None:
    content = bytearray(archive(a=b"a"))
    place = content.index(b"PK\x05\x06") + 12
    content[place : place + 4] = struct.pack("<I", 50_000_000)
    with pytest.raises(DocumentRefused, match="directory"):
        Package(bytes(content))


def test_entities_are_refused() -> None:
    content = word()
    name = "word/document.xml"
    xml = part(content, name).replace(b"?>", b"?>" + LAUGHS, 1)
    with pytest.raises(DocumentRefused, match="declares a document type"):
        read(repacked(content, {name: xml}))


def test_an_entity_that_names_a_file_is_refused() -> None:
    content = word()
    name = "word/document.xml"
    declared = b'?><!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    with pytest.raises(DocumentRefused, match="declares a document type"):
        read(repacked(content, {name: part(content, name).replace(b"?>", declared, 1)}))


def test_deep_xml_is_refused() -> None:
    name = "word/document.xml"
    deep = b"<w:document xmlns:w='x'>" + b"<w:p>" * 100_000
    with pytest.raises(DocumentRefused, match="no sound XML"):
        read(repacked(word(), {name: deep}))


def test_names_that_lead_out_of_the_archive_lead_nowhere() -> None:
    content = slides()
    name = "ppt/_rels/presentation.xml.rels"
    relations = part(content, name).replace(b"slides/slide1.xml", b"../../../etc/passwd")
    result = read(repacked(content, {name: relations}))
    assert [(error.page, error.code) for error in result.errors] == [(1, "page_broken")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (archive(readme=b"text"), "it is an archive; send the documents in it one by one"),
        (archive(mimetype=b"application/vnd.oasis.opendocument.text"), "an OpenDocument file"),
        (b"PK\x03\x04 and no more", "begins like an archive"),
        (b"{\\rtf1 text}", "an RTF file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000), "compound file"),
        (bytes(range(256)) * 4, "of no format"),
    ],
)
def test_what_cannot_be_read_is_named(content: bytes, sentence: str) -> None:
    with pytest.raises(DocumentRefused, match=sentence.replace("(", "\\(")):
        read(content)
