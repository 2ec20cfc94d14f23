"""Changing the model's name in JSON and in event streams, and not one byte besides.

Documents are not parsed and written again: that would lose spacing, number formats and the order of
keys, and cost more. Instead the place of the top-level `model` value is found and replaced. Nothing
nested is touched, whatever it looks like, but for one object that a protocol may name. Bytes that
are not JSON pass unchanged or nearly so: only what follows such a `"model":` is ever replaced.
"""

# compiled: runs for each request.

from __future__ import annotations

import re
from typing import Final

import orjson

from llm_provider.byte_search import holds
from llm_provider.sse import BYTE_ORDER_MARK, END_OF_LINE

Edit = tuple[int, int, bytes]
"""Where a piece of a document begins and ends, and what shall stand there."""

_KEY: Final = b'"model"'
_ESCAPED_LETTER: Final = b"\\u006"
"""How an escaped `m`, `o`, `d`, `e` or `l` begins: a key may be spelt with them."""

_QUOTE: Final = ord('"')
_OPENING: Final = b"{["

# A string with the colon after it, if there is one; a bracket; or a quote that never closes. The
# quantifiers are possessive, so that hostile input costs linear time.
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"(\s*+:\s*+)?+|[{}\[\]]|"', re.DOTALL)

_DATA: Final = b"data: "

# How an event begins, up to the end of its model, where nothing stands before that but strings and
# whole numbers. What `model_spans` finds in it is found in one go. The group that repeats is an
# atomic one: CPython 3.11 loses the place of a possessive one whose last iteration fails.
_USUAL: Final = re.compile(
    rb'data: \{(?>(?:"(?!model")[^"\\\n\r]*+":(?:"[^"\\\n\r]*+"|[0-9]++),)*)'
    rb'"model":(?P<value>"[^"\\\n\r]*+")'
)


def rewrite_request_model(body: bytes, model: str) -> bytes:
    """Return a JSON object with its top-level `model` replaced. An object without it is unchanged.

    If the key occurs more than once, every occurrence is replaced, so that no parser can see an old
    one.
    """
    return replace_spans(body, model_spans(body), orjson.dumps(model))


def may_name_several_models(body: bytes) -> bool:
    """Return whether a JSON object may have the key `model` more than once; False is certain."""
    return body.count(_KEY) > 1 or holds(body, _ESCAPED_LETTER)


def rewrite_response_model(body: bytes, model: str) -> bytes:
    """Return an answer with its top-level `model` replaced. See `rewrite_request_model`."""
    return rewrite_request_model(body, model)


def model_spans(
    document: bytes, start: int = 0, *, within: bytes | None = None
) -> list[tuple[int, int]]:
    """Return where the string values of the top-level key `model` lie, quotes included.

    Args:
        document: a JSON document; anything else gives any spans or none, and no error.
        start: where to begin; what lies before is not looked at.
        within: a top-level key, quotes included, whose object is looked at like the top level.
    """
    if not _may_hold_key(document, start):
        return []
    spans: list[tuple[int, int]] = []
    depth = 0
    deepest = 1
    """How deep a `model` may lie now."""
    for token in _TOKEN.finditer(document, start):
        first = document[token.start()]
        if first != _QUOTE:
            depth += 1 if first in _OPENING else -1
            if depth <= 1:
                deepest = 1
        elif token.end() == token.start() + 1:
            break
        elif token[1] is None or not 1 <= depth <= deepest:
            continue
        elif depth == 1 and within is not None and _key_of(document, token) == within:
            if document.startswith(b"{", token.end()):
                deepest = 2
        elif _is_model(document, token):
            value = _TOKEN.match(document, token.end())
            if value is None or document[value.start()] != _QUOTE or value[0] == b'"':
                continue
            end = value.end() if value[1] is None else value.start(1)
            spans.append((value.start(), end))
            # Asked once: asked after every occurrence, hostile input would cost quadratic time.
            if len(spans) == 1 and not _may_hold_key(document, end):
                break
    return spans


def _may_hold_key(document: bytes, start: int) -> bool:
    return document.find(_KEY, start) >= 0 or document.find(_ESCAPED_LETTER, start) >= 0


def _key_of(document: bytes, token: re.Match[bytes]) -> bytes:
    return document[token.start() : token.start(1)]


def _is_model(document: bytes, token: re.Match[bytes]) -> bool:
    key = _key_of(document, token)
    if b"\\" not in key:
        return key == _KEY
    return _text(document, token) == "model"


def _text(document: bytes, token: re.Match[bytes]) -> object:
    """Return the text of a string token that is a key; None if it is no string."""
    try:
        return orjson.loads(_key_of(document, token))
    except orjson.JSONDecodeError:
        return None


def value_spans(document: bytes, key: str) -> list[tuple[int, int]]:
    """Return where the values of a top-level key lie, if they are objects, lists or null.

    Args:
        document: a JSON object, well formed.
    """
    spans: list[tuple[int, int]] = []
    depth = 0
    begun: int | None = None
    for token in _TOKEN.finditer(document):
        first = document[token.start()]
        if first == _QUOTE:
            if depth != 1 or token[1] is None or _text(document, token) != key:
                continue
            if document.startswith(b"null", token.end()):
                spans.append((token.end(), token.end() + 4))
            elif document.startswith((b"{", b"["), token.end()):
                begun = token.end()
        elif first in _OPENING:
            depth += 1
        else:
            depth -= 1
            if begun is not None and depth == 1:
                spans.append((begun, token.end()))
                begun = None
    return spans


def replace_spans(document: bytes, spans: list[tuple[int, int]], value: bytes) -> bytes:
    """Return a document with each of the spans, which are in order, replaced by a value."""
    return edited(document, [(start, end, value) for start, end in spans])


def edited(document: bytes, edits: list[Edit]) -> bytes:
    """Return a document with edits made, which do not overlap and may be in any order."""
    if not edits:
        return document
    pieces: list[bytes] = []
    done = 0
    for start, end, value in sorted(edits):
        pieces += (document[done:start], value)
        done = end
    pieces.append(document[done:])
    return b"".join(pieces)


class StreamModelRewriter:
    """Rewrites the model in every event of a stream.

    Args:
        model: the name that the reader is to see.
        within: as for `model_spans`.
    """

    __slots__ = ("_known", "_replacement", "_right", "_value", "_within")

    def __init__(self, model: str, *, within: bytes | None = None) -> None:
        self._within = within
        self._value = orjson.dumps(model)
        self._right = b"%b:%b" % (_KEY, self._value)
        # How the last event began, up to the end of its model, and what that became. Engines begin
        # the events of an answer alike, and a JSON text that begins alike has its model there too.
        self._known: bytes | None = None
        self._replacement = b""

    def rewrite(self, block: bytes) -> bytes:
        """Return one block, as `sse.EventSplitter` cuts them, with its model replaced."""
        known = self._known
        if holds(block, _ESCAPED_LETTER):
            return self._rewrite_lines(block)
        if known is not None and block.startswith(known) and block.find(_KEY, len(known)) < 0:
            return self._replacement + block[len(known) :]
        if block.count(_KEY) == block.count(self._right):
            return block  # every model in it has the name already, or there is none
        usual = _USUAL.match(block)
        if usual is None or block.find(_KEY, usual.end()) >= 0:
            return self._rewrite_lines(block)
        self._learn(block, usual.start("value"), usual.end())
        return self._replacement + block[usual.end() :]

    def _rewrite_lines(self, block: bytes) -> bytes:
        values = _data_values(block)
        document = b"\n".join([block[start:end] for start, end in values])
        spans = _spans_in_block(model_spans(document, within=self._within), values)
        if len(spans) == 1 and len(values) == 1 and block.startswith(_DATA):
            self._learn(block, *spans[0])
        return replace_spans(block, spans, self._value)

    def _learn(self, block: bytes, start: int, end: int) -> None:
        self._known = block[:end]
        self._replacement = block[:start] + self._value


def _data_values(block: bytes) -> list[tuple[int, int]]:
    """Return where the values of the `data` lines of a block lie."""
    values: list[tuple[int, int]] = []
    start = len(BYTE_ORDER_MARK) if block.startswith(BYTE_ORDER_MARK) else 0
    while start < len(block):
        line_end = END_OF_LINE.search(block, start)
        end = len(block) if line_end is None else line_end.start()
        if block.startswith(b"data:", start):
            values.append((start + (6 if block.startswith(_DATA, start) else 5), end))
        start = len(block) if line_end is None else line_end.end()
    return values


def _spans_in_block(
    spans: list[tuple[int, int]], values: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Move spans in the joined values to where they are in the block.

    A JSON string holds no line end. A span that crosses from one value to the next is not JSON and
    is left out: replaced, it would take the line end with it.
    """
    moved: list[tuple[int, int]] = []
    position = 0
    remaining = iter(spans)
    span = next(remaining, None)
    for start, end in values:
        size = end - start
        while span is not None and span[1] <= position + size:
            if span[0] >= position:
                offset = start - position
                moved.append((span[0] + offset, span[1] + offset))
            span = next(remaining, None)
        position += size + 1
    return moved
