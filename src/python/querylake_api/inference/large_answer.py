"""A large whole answer of an engine, understood without holding up everybody else's requests.

A JSON parser takes as long as it takes, and the event loop stands still meanwhile. So of a large
answer only the values of some top-level keys are parsed, found in steps; the rest stays bytes.
"""

# compiled: walks over megabytes while others wait.

from __future__ import annotations

import asyncio
from typing import Any, Final

from llm_provider.engine_errors import (
    ANSWER_FIELDS,
    ERROR_FIELDS,
    JsonObject,
    error_in,
    reason_in,
)
from llm_provider.json_text import SMALL_BYTES, read_json, write_json
from llm_provider.model_rewrite import Edit, edited, replace_spans
from llm_provider.top_level import TopLevelScan
from querylake_api.inference.large_body import MODEL, in_turns
from querylake_api.inference.rerank import RerankForm

LARGE_BYTES: Final = SMALL_BYTES
"""A smaller answer is parsed at once: that takes some milliseconds, whatever it holds."""

_KEYS: Final = (*ANSWER_FIELDS, *ERROR_FIELDS)
_PARSED_BYTES: Final = 64 * 1024
"""Bytes of a value that is parsed, unless it is one of an error."""

_TOLD_BYTES: Final = 1000
"""Of a text in an error that is passed on, and of one that is no JSON."""

_RESULTS: Final = "results"
_BATCH: Final = 2000
"""Results that are shaped before others get their turn."""


async def overview(body: bytes) -> Any:
    """Return what a large answer says at its top level: of an object some keys, of a list nothing.

    `True` stands for what is not parsed.

    Raises:
        ValueError: it is neither, from its beginning to its end.
    """
    scan = TopLevelScan(body, _KEYS)
    await in_turns(scan.step)
    begins, ends = body[:_TOLD_BYTES].lstrip()[:1], body[-_TOLD_BYTES:].rstrip()[-1:]
    if not scan.balanced or begins + ends not in (b"{}", b"[]"):
        raise ValueError("it is cut short, or no JSON")
    if begins == b"[":
        return []
    document: JsonObject = {}
    for key, spans in scan.places.items():
        if spans:
            start, end = spans[-1]
            document[key] = _value(key, body[start:end])
            await asyncio.sleep(0)
    return document


async def brief_refusal(body: bytes) -> bytes:
    """Return a large refusal, reduced to what its error response needs.

    FastAPI sends the whole request back for each of its fields that is wrong.
    """
    try:
        document = await overview(body)
    except ValueError:
        return body[:_TOLD_BYTES]
    if not document:
        return body[:_TOLD_BYTES]
    reason = reason_in(document) or "The reason is too large to be read."
    if not document.get("error"):
        return write_json({**_short(document), "detail": reason})
    error = error_in(document) or document
    return write_json({"error": {**_short(error), "message": reason}})


async def with_model(body: bytes, model: str) -> bytes:
    """Return a large answer with its top-level `model` replaced."""
    scan = TopLevelScan(body, (MODEL,))
    await in_turns(scan.step)
    spans = [span for span in scan.places[MODEL] if body.startswith(b'"', span[0])]
    return replace_spans(body, spans, write_json(model))


async def shaped(body: bytes, form: RerankForm) -> bytes:
    """Return a large answer of reranking as `RerankForm.shaped` does, some results at a time."""
    bare = body.lstrip().startswith(b"[")
    if bare:
        # TEI sends the results alone.
        body = b'{"%b":%b}' % (_RESULTS.encode(), body)
    scan = TopLevelScan(body, (_RESULTS,), list_key=_RESULTS)
    await in_turns(scan.step)
    spans = scan.places[_RESULTS]
    if len(spans) != 1 or not body.startswith(b"[", spans[0][0]):
        return body
    start, end = spans[0]
    bounds = [start, *scan.commas, end - 1][: None if form.top_n is None else form.top_n + 1]
    edits: list[Edit] = []
    for first in range(0, len(bounds) - 1, _BATCH):
        last = min(first + _BATCH, len(bounds) - 1)
        begin, stop = bounds[first] + 1, bounds[last]
        some = form.shaped_some(b"[%b]" % body[begin:stop], bare=bare)
        edits.append((begin, stop, some[1:-1]))
        await asyncio.sleep(0)
    edits.append((bounds[-1], end - 1, b""))
    return edited(body, edits)


def _value(key: str, text: bytes) -> Any:
    if len(text) > _PARSED_BYTES and key in ANSWER_FIELDS:
        return True
    try:
        return read_json(text)
    except ValueError:
        # Too many values; what a key's presence says, it says.
        return True


def _short(error: JsonObject) -> JsonObject:
    """Return the fields of an error that are short and simple."""
    return {
        name: value
        for name, value in error.items()
        if value is None
        or isinstance(value, bool | int | float)
        or (isinstance(value, str) and len(value) <= _TOLD_BYTES)
    }
