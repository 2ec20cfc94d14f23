"""DOCX: headings, lists, tables, notes; what is deleted, hidden or commented is told apart."""

from __future__ import annotations

from docx.oxml import parse_xml

from ocr.engines.rapid.engine import RapidEngine
from ocr.engines.settings import RapidSettings
from ocr_testing.office import W, part, repacked, word
from ocr_testing.pages import HARBOUR, SURVEY
from ocr_testing.reading import all_blocks, blocks_of, read

NOTES = (
    f'<w:footnotes xmlns:w="{W}"><w:footnote w:type="separator" w:id="0"><w:p/></w:footnote>'
    '<w:footnote w:id="2"><w:p><w:r><w:t>As of 1911.</w:t></w:r></w:p></w:footnote></w:footnotes>'
)
COMMENTS = (
    f'<w:comments xmlns:w="{W}"><w:comment w:id="5" w:author="Reviewer"><w:p><w:r><w:t>Really?'
    "</w:t></w:r></w:p></w:comment></w:comments>"
)
RELATIONS = (
    '<Relationship Id="rN" Type="http://x/footnotes" Target="footnotes.xml"/>'
    '<Relationship Id="rC" Type="http://x/comments" Target="comments.xml"/>'
    '<Relationship Id="rE" Type="http://x/image" Target="http://example.com/x.png"'
    ' TargetMode="External"/></Relationships>'
)


def with_body(xml: str, *, notes: bool = False) -> bytes:
    """Return a DOCX file with paragraphs added, given as XML, and with notes for them."""

    def change(document: object) -> None:
        body = document._body._element  # type: ignore[attr-defined]
        for element in parse_xml(f'<w:body xmlns:w="{W}" xmlns:r="http://r">{xml}</w:body>'):
            body.insert(len(body) - 1, element)

    content = word(change)
    if not notes:
        return content
    name = "word/_rels/document.xml.rels"
    relations = part(content, name).replace(b"</Relationships>", RELATIONS.encode())
    return repacked(
        content,
        {
            name: relations,
            "word/footnotes.xml": NOTES.encode(),
            "word/comments.xml": COMMENTS.encode(),
        },
    )


def p(xml: str) -> str:
    return f"<w:p>{xml}</w:p>"


def r(text: str, properties: str = "") -> str:
    return f"<w:r><w:rPr>{properties}</w:rPr><w:t xml:space='preserve'>{text}</w:t></w:r>"


def test_a_document_as_markdown() -> None:
    result = read(word(), RapidEngine(RapidSettings()))
    assert result.markdown == "\n\n".join(
        [
            "# Harbour report",
            HARBOUR,
            "# Measurements",
            "- Survey of the north pier\n   - at low water\n1. Measure\n2. Compare",
            "| Place | Depth |\n| --- | --- |\n| North pier | 3.4 |\n| South pier | 12.75 |",
            "Crane out of order",
            "## Costs",
            SURVEY,
        ]
    )
    assert result.status == "complete"
    assert result.page_source_by_page == {"0001": "ocr", "0002": "document"}
    assert result.page_source_counts == {"ocr": 1, "text_layer": 0, "document": 1}
    assert result.output_contract == "mixed_text_layer_fastpath_markdown"
    first = result.pages[0]
    assert first.mixed
    assert first.read_by["ocr"] == len("Craneoutoforder")
    assert first.read_by["document"] > 200


def test_headers_and_footers_are_blocks_and_no_text() -> None:
    result = read(word())
    furniture = [(b.type, b.text) for b in all_blocks(result) if b.type in ("header", "footer")]
    assert furniture == [("header", "Harbour authority"), ("footer", "Confidential")]
    assert "Confidential" not in result.markdown


def test_a_document_without_text_of_pictures_has_the_contract_of_text() -> None:
    result = read(word())
    assert result.output_contract == "text_layer_fastpath_markdown"
    assert result.page_source_counts == {"ocr": 0, "text_layer": 0, "document": 2}


def test_tracked_changes_hidden_text_and_symbols() -> None:
    content = with_body(
        p(
            r("Price ")
            + '<w:del w:id="1"><w:r><w:delText>100</w:delText></w:r></w:del>'
            + '<w:ins w:id="2">'
            + r("200")
            + "</w:ins>"
            + r("secret", "<w:vanish/>")
            + "<w:r><w:tab/><w:t>euros</w:t><w:noBreakHyphen/><w:t>only</w:t>"
            + '<w:sym w:font="Wingdings" w:char="F0FE"/></w:r>'
        )
    )
    result = read(content)
    assert "Price 200 euros-only\u2612" in result.markdown
    assert blocks_of(result, "deleted") == ["100"]
    assert blocks_of(result, "hidden") == ["secret"]
    assert "100" not in result.markdown
    assert "secret" not in result.markdown


def test_notes_and_comments_are_told_apart() -> None:
    content = with_body(
        p(
            r("The survey")
            + '<w:r><w:footnoteReference w:id="2"/></w:r>'
            + '<w:r><w:commentReference w:id="5"/></w:r>'
        ),
        notes=True,
    )
    result = read(content)
    assert blocks_of(result, "note") == ["[1] As of 1911."]
    assert blocks_of(result, "comment") == ["Reviewer: Really?"]
    assert r"The survey\[1\]" in result.markdown
    assert r"\[1\] As of 1911." in result.markdown
    assert "Really?" not in result.markdown


def test_pictures_from_outside_are_not_fetched() -> None:
    blip = '<w:r><w:pict><v:imagedata xmlns:v="urn:v" r:id="rE"/></w:pict></w:r>'
    result = read(with_body(p(blip), notes=True))
    (warning,) = (w for w in result.warnings if w.code == "external_refused")
    assert not warning.incomplete


def test_merged_cells_nested_tables_and_frames() -> None:
    cell = "<w:tc><w:tcPr>{}</w:tcPr>{}</w:tc>"
    table = (
        "<w:tbl><w:tr>"
        + cell.format('<w:gridSpan w:val="2"/>', p(r("wide")))
        + cell.format('<w:vMerge w:val="restart"/>', p(r("tall")))
        + "</w:tr><w:tr>"
        + cell.format("", p(r("a")))
        + cell.format("", p(r("b")))
        + cell.format("<w:vMerge/>", p(""))
        + "</w:tr></w:tbl>"
    )
    frame = "<w:tbl><w:tr>" + cell.format("", p(r("in a frame"))) + "</w:tr></w:tbl>"
    result = read(with_body(table + frame))
    rows = [b.rows for b in all_blocks(result) if b.rows and "wide" in b.text]
    assert rows == [[["wide", "", "tall"], ["a", "b", ""]]]
    assert result.markdown.endswith("in a frame")


def test_a_text_box_is_read_once() -> None:
    box = (
        '<w:r><mc:AlternateContent xmlns:mc="urn:mc"><mc:Choice><w:txbxContent>'
        + p(r("boxed"))
        + "</w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent>"
        + p(r("boxed"))
        + "</w:txbxContent></mc:Fallback></mc:AlternateContent></w:r>"
    )
    assert read(with_body(p(box))).markdown.count("boxed") == 1


def test_links_and_stress() -> None:
    relation = (
        '<Relationship Id="rL" Type="http://x/hyperlink" Target="https://example.org/manual"'
        ' TargetMode="External"/></Relationships>'
    )
    content = with_body(
        '<w:p><w:r><w:t xml:space="preserve">See </w:t></w:r><w:hyperlink r:id="rL"><w:r><w:t>the '
        'manual</w:t></w:r></w:hyperlink><w:r><w:t xml:space="preserve">, </w:t></w:r>'
        '<w:r><w:rPr><w:b/></w:rPr><w:t>never</w:t></w:r><w:r><w:t xml:space="preserve"> </w:t>'
        '</w:r><w:r><w:rPr><w:i/></w:rPr><w:t>this</w:t></w:r><w:r><w:rPr><w:b w:val="0"/></w:rPr>'
        '<w:t xml:space="preserve"> or </w:t></w:r><w:r><w:fldChar w:fldCharType="begin"/></w:r>'
        '<w:r><w:instrText> HYPERLINK "https://example.org/field" </w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>a field</w:t></w:r>'
        '<w:r><w:fldChar w:fldCharType="end"/></w:r><w:r><w:t>.</w:t></w:r></w:p>'
    )
    name = "word/_rels/document.xml.rels"
    relations = part(content, name).replace(b"</Relationships>", relation.encode())
    assert read(repacked(content, {name: relations})).markdown.endswith(
        "See [the manual](https://example.org/manual), **never** *this* or "
        "[a field](https://example.org/field)."
    )
