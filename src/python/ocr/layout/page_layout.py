"""From the text of a page to its blocks in reading order."""

from __future__ import annotations

from collections.abc import Sequence

from ocr.geometry import Box
from ocr.layout.block import Block
from ocr.layout.contents import contents_joined
from ocr.layout.fields import with_fields
from ocr.layout.furniture import page_furniture
from ocr.layout.levels import with_levels
from ocr.layout.line_numbers import without_line_numbers
from ocr.layout.lines import body_size, lines_of
from ocr.layout.list_markers import is_marker
from ocr.layout.listings import listings
from ocr.layout.narrow_gutters import with_room
from ocr.layout.paragraphs import blocks_of
from ocr.layout.regions import Piece, Region, regions_in_order
from ocr.layout.ruled_tables import ruled_tables
from ocr.layout.table_cells import is_number
from ocr.text import Fragment, fragment

_MARKER_GAP = 4.0
"""Sizes of the type that may lie between a bullet and its text."""


def lay_out(
    fragments: Sequence[Fragment], rules: Sequence[Box], width: float, height: float
) -> list[Block]:
    """Return the blocks of a page.

    Args:
        fragments: its text.
        rules: its drawn lines.
        width: of the page, in points.
        height: likewise.
    """
    body = body_size(fragments)
    tables, text = ruled_tables(rules, fragments)
    code, text = listings(contents_joined(with_fields(text)))
    text, numbers = without_line_numbers(with_room(text))
    pieces: list[Piece] = [*tables, *code, *_with_markers(text)]
    blocks = [
        block for region in regions_in_order(pieces) for block in _region_blocks(region, body)
    ]
    page = Box(0, 0, width, height)
    return with_levels([[*page_furniture(blocks, page), *numbers]])[0]


def _region_blocks(region: Region, body: float) -> list[Block]:
    blocks: list[Block] = []
    text: list[Fragment] = []
    ordered = sorted(region.pieces, key=lambda piece: piece.box.top if piece.box else 0.0)
    for piece in ordered:
        if isinstance(piece, Fragment):
            text.append(piece)
            continue
        blocks.extend(blocks_of(lines_of(text), body))
        blocks.append(piece)
        text = []
    blocks.extend(blocks_of(lines_of(text), body))
    return blocks


def _with_markers(fragments: Sequence[Fragment]) -> list[Fragment]:
    """Join bullets and numbers with what stands beside them, lest they pass for a column."""
    markers = [piece for piece in fragments if is_marker(piece.text)]
    if not markers:
        return list(fragments)
    others = [piece for piece in fragments if not is_marker(piece.text)]
    for marker in markers:
        beside = [
            piece
            for piece in others
            if piece.box.shared_height(marker.box) > 0.5
            and 0 <= piece.box.left - marker.box.right < _MARKER_GAP * piece.size
        ]
        text = min(beside, key=lambda piece: piece.box.left, default=None)
        if text is None or is_number(text.text):
            # Beside a number, "(12)" is an amount below zero and "-" is none: cells of a table.
            others.append(marker)
            continue
        others[others.index(text)] = fragment((*marker.words, *text.words), text.source)
    return others
