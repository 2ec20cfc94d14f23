"""HTML and EPUB: structure told apart, hidden content too, and nothing fetched."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr.engines.rapid.engine import RapidEngine
from ocr.engines.settings import RapidSettings
from ocr.errors import DocumentRefused
from ocr_testing.office import book, picture_of, repacked
from ocr_testing.reading import all_blocks, blocks_of, read


def html(body: str) -> bytes:
    return f"<!DOCTYPE html><html><head><title>T</title></head><body>{body}</body></html>".encode()


def test_links_and_stress() -> None:
    result = read(
        html(
            '<p>See <a href="https://example.org/a?b=(1)">the manual</a>, <em>please</em>, or '
            '<a href="#top">the top</a>. <b>Total:</b> 12 <b>Sum:</b>13</p>'
            '<ul><li><strong>One</strong> more</li></ul><a href="javascript:x">no</a>'
        )
    )
    assert result.markdown == (
        "See [the manual](https://example.org/a?b=%281%29), *please*, or the top. **Total:** 12 "
        # Stars between a sign and a letter would mean themselves.
        "Sum:13\n\n- **One** more\n\nno"
    )


def test_structure() -> None:
    result = read(
        html(
            "<h1>Harbour <em>report</em></h1><p>First\n paragraph with&nbsp;an &lt;entity&gt;.</p>"
            "<ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul>"
            "<ol start=3><li>three<li>four</ol><pre>  x = 1\n  y</pre>"
            "<table><caption>Depths</caption><tr><th>Place<th>Depth</tr>"
            "<tr><td rowspan=2>Pier<td>3.4</tr><tr><td>3.5</table>"
            "<input type=checkbox checked> agreed <input value='Ada'>"
        )
    )
    assert result.markdown == (
        "# Harbour report\n\nFirst paragraph with an \\<entity>.\n\n"
        "- one\n   - inner\n- two\n3. three\n4. four\n\n```\n  x = 1\n  y\n```\n\n"
        "Depths\n\n| Place | Depth |\n| --- | --- |\n| Pier | 3.4 |\n|  | 3.5 |\n\n"
        "[x] agreed Ada"
    )
    assert result.page_source_by_page == {"0001": "document"}


def test_hidden_content_is_told_apart_and_scripts_are_none() -> None:
    result = read(
        html(
            "<p>seen</p><p hidden>by attribute</p><div style='DISPLAY : none'>by style</div>"
            "<script>alert('x')</script><style>p {}</style><template>t</template><p>end</p>"
        )
    )
    assert result.markdown == "seen\n\nend"
    assert blocks_of(result, "hidden") == ["by attribute", "by style"]
    assert "alert" not in str(result.model_dump())


def test_pictures_in_the_page_are_read_and_none_is_fetched() -> None:
    inline = base64.b64encode(picture_of("Ferry leaves at noon")).decode()
    result = read(
        html(
            f"<p>Notice</p><img src='data:image/png;base64,{inline}'>"
            "<img src='http://127.0.0.1:9/x.png' alt='A boat'><img src='file:///etc/passwd'>"
        ),
        RapidEngine(RapidSettings()),
    )
    assert result.markdown == "Notice\n\nFerry leaves at noon\n\nA boat"
    (warning,) = result.warnings
    assert warning.code == "external_refused"
    assert warning.message.startswith("2 ")


def test_tables_that_only_place_things_are_no_tables() -> None:
    result = read(
        html("<table><tr><td><h2>Title</h2><table><tr><td>a<td>b</table></td></tr></table>")
    )
    assert result.markdown == "## Title\n\n| a | b |\n| --- | --- |"


def test_a_page_in_another_encoding() -> None:
    said = "<html><meta charset=iso-8859-2><p>Žluťoučký".encode("iso-8859-2")
    assert read(said).markdown == "Žluťoučký"


def test_deep_nesting_is_text_or_refused_and_never_left_out() -> None:
    assert "deep" in read(html("<div>" * 2_000 + "deep")).markdown
    assert "deep" in read(html("<ul><li>" * 900 + "deep")).markdown
    with pytest.raises(DocumentRefused, match="depth"):
        read(html("<div>" * 50_000 + "deep"))


def test_cells_that_span_everything_are_refused() -> None:
    row = "<tr>" + "<td colspan=1000>x" * 600
    with pytest.raises(DocumentRefused, match="cells"):
        read(html(f"<table>{row}</table>"))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["<p>", "</p>", "<ul>", "<li>", "</ul>", "<table>", "<tr>", "<td>", "</table>", "<h2>",
             "</h2>", "<div hidden>", "</div>", "<pre>", "</pre>", "<b>", "</b>", "w1 ", "<br>"]
        )
    )
)  # fmt: skip
def test_whatever_the_markup_no_word_is_lost(pieces: list[str]) -> None:
    words = [f"w{number}w" for number in range(len(pieces))]
    body = "".join(f"{piece}{word} " for piece, word in zip(pieces, words, strict=True))
    found = " ".join(block.text for block in all_blocks(read(html(body))))
    missing = [word for word in words if word not in found]
    assert not missing


CHAPTER = (
    '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head>'
    "<body><a id='x'/><h1>Chapter {0}</h1><p>Text {0}.</p>{1}</body></html>"
)


def test_a_book_has_a_page_for_each_chapter() -> None:
    content = book(
        {
            "one.xhtml": CHAPTER.format(1, "<img src='img/a.png'/>").encode(),
            "two.xhtml": CHAPTER.format(2, "<p>non&nbsp;breaking</p>").encode(),
        },
        {"img/a.png": picture_of("Map of the harbour")},
    )
    result = read(content, RapidEngine(RapidSettings()))
    assert result.markdown == (
        "# Chapter 1\n\nText 1.\n\nMap of the harbour\n\n# Chapter 2\n\nText 2.\n\nnon breaking"
    )
    assert result.page_source_by_page == {"0001": "ocr", "0002": "document"}


def test_a_protected_book_is_refused() -> None:
    encryption = (
        b'<encryption xmlns:e="urn:e"><e:EncryptionMethod Algorithm="http://www.w3.org/2001/04/'
        b'xmlenc#aes128-cbc"/></encryption>'
    )
    content = repacked(
        book({"one.xhtml": CHAPTER.format(1, "").encode()}), {"META-INF/encryption.xml": encryption}
    )
    with pytest.raises(DocumentRefused, match="digital rights"):
        read(content)
