"""What came back from an engine, before anything of it has gone to the client."""

# compiled: runs for each request.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_provider.byte_search import holds
from llm_provider.engine_errors import JsonObject, error_in, error_in_event, status_of
from llm_provider.errors import AnswerUnfit, StreamEmpty, StreamInterrupted
from llm_provider.json_text import read_json
from llm_provider.observer import DONE
from llm_provider.provider import Relay
from llm_provider.sse import BYTE_ORDER_MARK, EventSplitter, data_of
from querylake_api.inference.catalog import Target
from querylake_api.inference.compression import is_compressed, without_compression
from querylake_api.inference.large_answer import LARGE_BYTES, brief_refusal, overview
from querylake_api.inference.refusals import honest_status

_UNREAD_BYTES: Final = 32 * 1024
"""A larger whole answer is mostly vectors: it is not read unless it may be an error."""

_WHERE_ERRORS_BEGIN: Final = 2048
"""Bytes of a large answer in which an error would be found: nothing large comes before it."""

_HELD_COMMENTS: Final = 64 * 1024
"""Bytes of comments that are kept until the first event. Beyond that they are dropped."""

_ANSWERS: Final = b'"choices"'
"""In half an event, this is proof enough that an answer has begun."""

_FIELDS_OF_EVENTS: Final = (b"data:", b"event:", b"id:", b"retry:", b":")


class Answer:
    """An engine's answer: whole, or the beginning of a stream.

    Attributes:
        target: who sent it.
        status: the HTTP status that it amounts to. An engine may say 200 and send an error.
        headers: with lower-case names.
        body: all of it; of a stream everything up to the end of the piece with its first event.
        rest: what brings the further pieces of a stream; None for a whole answer.
        error: the engine's error inside an answer that came with 2xx.
        document: a whole answer that came with 2xx, parsed; None for a large one.
        complete: whether a whole answer with 2xx is a JSON text from its beginning to its end.
    """

    __slots__ = ("body", "complete", "document", "error", "headers", "rest", "status", "target")

    def __init__(
        self,
        target: Target,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        rest: Relay | None = None,
        error: JsonObject | None = None,
        document: Any = None,
        complete: bool = True,
    ) -> None:
        self.target = target
        self.status = status
        self.headers = headers
        self.body = body
        self.rest = rest
        self.error = error
        self.document = document
        self.complete = complete


async def begun(relay: Relay, target: Target, *, stream: bool) -> Answer:
    """Return an answer as soon as it can be passed on.

    Comments before the first event of a stream are held back: until an event goes out, an error can
    still become a status, and another engine can be asked.

    Args:
        stream: whether the client wants one; an engine may refuse in a document.

    Raises:
        ProviderError: it broke off, took too long, or is not in a form that can be passed on.
    """
    headers = relay.headers
    compressed = is_compressed(headers)
    if stream and 200 <= relay.status < 300:
        if compressed:
            raise AnswerUnfit(
                target.upstream,
                f"a stream compressed with {headers['content-encoding']!r}, although told not to",
            )
        return await _begun_stream(relay, target)
    body = await relay.read()
    if compressed:
        body = await without_compression(body, headers["content-encoding"], target.upstream)
    if len(body) > LARGE_BYTES:
        return await _large(relay, target, body)
    return _whole(relay, target, body)


async def _begun_stream(relay: Relay, target: Target) -> Answer:
    """Return the beginning of a stream, whatever its `content-type` says, or a whole answer."""
    piece = await relay.piece()
    # Media types are compared without regard to case (RFC 9110, 8.3.1).
    declared = relay.headers.get("content-type", "").lower().startswith("text/event-stream")
    if not declared and not _begins_like_events(piece):
        body = piece + await relay.read()
        if len(body) > LARGE_BYTES:
            return await _large(relay, target, body)
        return _whole(relay, target, body)
    splitter = EventSplitter(target.upstream)
    held: list[bytes] = []
    size = 0
    while piece:
        held.append(piece)
        size += len(piece)
        for block in splitter.feed(piece):
            data = data_of(block)
            if data is not None:
                return _stream_with(data, b"".join(held), relay, target)
        if splitter.holds and holds(piece, _ANSWERS) and not _may_hold_error(b"".join(held)):
            return Answer(target, relay.status, relay.headers, b"".join(held), relay)
        if size > _HELD_COMMENTS and not splitter.holds:
            held, size = [], 0
        piece = await relay.piece()
    # An error may be all that came, without the empty line that ends an event.
    data = data_of(splitter.finish())
    if data is None or data.strip() == b"":
        raise StreamInterrupted(target.upstream, 0, "it ended before it began")
    return _stream_with(data, b"".join(held), relay, target)


def _begins_like_events(piece: bytes) -> bool:
    return piece.removeprefix(BYTE_ORDER_MARK).lstrip(b"\r\n").startswith(_FIELDS_OF_EVENTS)


def _stream_with(data: bytes, body: bytes, relay: Relay, target: Target) -> Answer:
    """Return a stream whose first event has some data."""
    if data.strip() == DONE:
        raise StreamEmpty(target.upstream)
    try:
        document = read_json(data)
    except ValueError:
        document = None  # for whoever reads the stream to its end
    error = error_in_event(document) if isinstance(document, dict) else None
    if error is None:
        return Answer(target, relay.status, relay.headers, body, relay)
    return Answer(target, status_of(error), relay.headers, data, relay, error)


def _whole(relay: Relay, target: Target, body: bytes) -> Answer:
    status, headers = relay.status, relay.headers
    if not 200 <= status < 300:
        return Answer(target, honest_status(status, body), headers, body)
    if len(body) > _UNREAD_BYTES and _framed(headers) and not _may_hold_error(body):
        return Answer(target, status, headers, body, complete=_looks_complete(body))
    try:
        document = read_json(body)
    except ValueError:
        return Answer(target, status, headers, body, complete=False)
    return _read(relay, target, body, document)


async def _large(relay: Relay, target: Target, body: bytes) -> Answer:
    """Return a whole answer that would hold everybody else up if it were parsed."""
    status, headers = relay.status, relay.headers
    if not 200 <= status < 300:
        brief = await brief_refusal(body)
        return Answer(target, honest_status(status, brief), headers, brief)
    if _framed(headers) and not _may_hold_error(body):
        return Answer(target, status, headers, body, complete=_looks_complete(body))
    try:
        document = await overview(body)
    except ValueError:
        return Answer(target, status, headers, body, complete=False)
    return _read(relay, target, body, document)


def _read(relay: Relay, target: Target, body: bytes, document: Any) -> Answer:
    """Return a whole answer that came with 2xx and was read."""
    status, headers = relay.status, relay.headers
    error = _error_of(document)
    if error is None:
        return Answer(target, status, headers, body, document=document)
    return Answer(target, status_of(error), headers, body, None, error, document)


def _error_of(document: Any) -> JsonObject | None:
    """Return the error that a whole document is. Gemini's is a list of one."""
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    return error_in(document) if isinstance(document, dict) else None


def _framed(headers: Mapping[str, str]) -> bool:
    """Return whether a body has an end of its own, so that a part of it was told from all."""
    return "content-length" in headers or "transfer-encoding" in headers


def _may_hold_error(body: bytes) -> bool:
    beginning = body[:_WHERE_ERRORS_BEGIN]
    return (
        holds(beginning, b'"error"')
        or holds(beginning, b'"detail"')
        or holds(beginning[:64], b'"message"')
    )


def _looks_complete(body: bytes) -> bool:
    return body.lstrip().startswith(b"{") and body.rstrip().endswith(b"}")
