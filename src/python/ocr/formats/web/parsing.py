"""HTML from strangers as a tree, whatever state it is in."""

from __future__ import annotations

from lxml import etree, html  # type: ignore[import-untyped]

from ocr.errors import DocumentBroken
from ocr.formats.xml import Element


def parsed_html(content: str) -> Element | None:
    """Return the root of a page; None if there is nothing in it.

    Raises:
        DocumentBroken: libxml2 gives it up.
    """
    # Without `huge_tree`, HTML may have 256 elements within one another, which real mail exceeds.
    # The text is ours to decode: what the page says of its encoding has been heard already.
    parser = html.HTMLParser(
        encoding="utf-8", no_network=True, huge_tree=True, remove_comments=True, remove_pis=True
    )
    try:
        root = html.document_fromstring(content.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        if "empty" in str(error):
            return None
        raise DocumentBroken(f"it is no HTML that can be read: {error}") from None
    for fault in parser.error_log:
        if fault.level == etree.ErrorLevels.FATAL:
            # What comes after it was left out.
            raise DocumentBroken(f"it is HTML that is given up: {fault.message}")
    return root
