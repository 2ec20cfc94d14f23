"""Which of the formats that bring their own text a file has, by what its bytes are."""

from __future__ import annotations

from ocr.errors import DocumentTooLarge, FormatUnknown, PageTooLarge
from ocr.formats.compound import is_compound, open_compound
from ocr.formats.content import StructuredDocument
from ocr.formats.mail.eml import is_eml, open_eml
from ocr.formats.package import Package, is_archive
from ocr.formats.plain.csv import open_csv
from ocr.formats.plain.decoding import decoded
from ocr.formats.plain.markdown import open_markdown
from ocr.formats.plain.text import open_text
from ocr.formats.relationships import main_part
from ocr.formats.sheets.workbook import Workbook
from ocr.formats.slides.presentation import Presentation
from ocr.formats.text_formats import TextFormat
from ocr.formats.web.epub import Book, is_epub
from ocr.formats.web.page import open_html
from ocr.formats.word.document import open_word
from ocr.formats.xml import local, parsed

_HTML_WITHIN = 1_024
_HTML = ("<!doctype html", "<html", "<head", "<body")
_RTF = "{\\rtf"
_ODF = "mimetype"


def open_structured(content: bytes, said: TextFormat | None) -> StructuredDocument:
    """Open a file that brings its own text.

    Args:
        said: what its name or its sender says of it, which counts if it is a text.

    Raises:
        DocumentRefused: it is of no known format, damaged, encrypted, or beyond a limit.
    """
    try:
        return _opened(content, said)
    except PageTooLarge as error:
        # Of a format whose pages are made all at once.
        raise DocumentTooLarge(str(error)) from None


def _opened(content: bytes, said: TextFormat | None) -> StructuredDocument:
    if is_archive(content):
        return _open_archive(Package(content))
    if is_compound(content):
        return open_compound(content)
    if said == "eml" or (said is None and is_eml(content)):
        return open_eml(content)
    text = decoded(content)
    begins = text.text[:_HTML_WITHIN].lstrip().lower()
    if begins.startswith(_RTF):
        raise FormatUnknown("it is an RTF file; save it as DOCX, or as PDF")
    if said == "html" or (said in (None, "text") and _is_html(begins)):
        return open_html(text)
    if said == "markdown":
        return open_markdown(text)
    if said == "csv":
        return open_csv(text)
    return open_text(text)


def _is_html(begins: str) -> bool:
    if begins.startswith("<?xml"):
        begins = begins.partition("?>")[2].lstrip()
    while begins.startswith("<!--"):
        begins = begins.partition("-->")[2].lstrip()
    return begins.startswith(_HTML)


def _open_archive(package: Package) -> StructuredDocument:
    if is_epub(package):
        return Book(package)
    if "[Content_Types].xml" not in package:
        if _ODF in package:
            raise FormatUnknown("it is an OpenDocument file; save it as DOCX, XLSX, PPTX or PDF")
        raise FormatUnknown("it is an archive; send the documents in it one by one")
    part = main_part(package)
    match local(parsed(package.read(part), part)):
        case "document":
            return open_word(package, part)
        case "presentation":
            return Presentation(package, part)
        case "workbook":
            return Workbook(package, part)
    raise FormatUnknown("it is an Office file, and no DOCX, PPTX or XLSX")
