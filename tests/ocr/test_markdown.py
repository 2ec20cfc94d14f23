"""Markdown says what the page says, whatever characters the page has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ocr.conversion.markdown import markdown_of
from ocr.geometry import Box
from ocr.layout.block import Block, BlockType

BOX = Box(0, 0, 1, 1)
TEXT = st.text(
    st.sampled_from("ab1 .)(*_`[]<>#+-=|\\~!&;:/\u00e9\u2022" + "x" * 5), min_size=1, max_size=30
).filter(lambda text: text.strip() and text[0] not in "|")


def block(text: str, type: BlockType = "paragraph", **more: object) -> Block:
    return Block(type, text, BOX, "text_layer", **more)  # type: ignore[arg-type]


def shown(markdown: str) -> tuple[list[str], list[str]]:
    """Return the kinds of blocks that a reader sees, and their texts."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    kinds = [token.tag for token in tokens if token.nesting == 1]
    return kinds, [_text(token) for token in tokens if token.type == "inline"]


def _text(token: Token) -> str:
    children = token.children or []
    assert {child.type for child in children} <= {"text", "text_special", "softbreak"}, children
    return "".join(child.content for child in children)


@given(TEXT)
def test_a_paragraph_shows_its_text_and_nothing_else(text: str) -> None:
    assert shown(markdown_of([block(text)])) == (["p"], [" ".join(text.split())])


@given(TEXT)
def test_a_heading_shows_its_text(text: str) -> None:
    markdown = markdown_of([block(text, "heading", level=2)])
    assert shown(markdown) == (["h2"], [" ".join(text.split())])


@given(st.lists(st.lists(TEXT, min_size=2, max_size=2), min_size=1, max_size=3))
def test_a_table_shows_its_cells(rows: list[list[str]]) -> None:
    markdown = markdown_of([block("", "table", rows=tuple(map(tuple, rows)))])
    kinds, cells = shown(markdown)
    assert kinds[0] == "table"
    assert cells == [" ".join(cell.split()) for row in rows for cell in row]


def test_lists_keep_numbers_and_depth() -> None:
    items = [
        block("Piers", "list_item", level=1, marker="3."),
        block("north", "list_item", level=2, marker="\u2022"),
        block("Locks", "list_item", level=1, marker="4."),
    ]
    assert markdown_of(items) == "3. Piers\n   - north\n4. Locks"
    assert markdown_of([block("x"), *items[:1], block("y")]) == "x\n\n3. Piers\n\ny"


def test_headers_and_footers_are_no_part_of_the_text() -> None:
    assert markdown_of([block("h", "header"), block("x"), block("1", "footer")]) == "x"
