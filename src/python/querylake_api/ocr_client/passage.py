"""Moving an answer of the OCR service to the client, piece by piece as it comes."""

from __future__ import annotations

from llm_provider.errors import ProviderError
from querylake_api.http_server.asgi import EVENT_HEADERS
from querylake_api.http_server.exchange import Exchange
from querylake_api.inference.refusals import refusal
from querylake_api.ocr_client.service import NAME, OcrAnswer
from querylake_api.requests.record import ResponseEnding

_EVENTS = "text/event-stream"
_PASSED_HEADERS = ("content-type", "content-length", "x-ocr-status", "x-ocr-pages-failed")


def is_events(answer: OcrAnswer) -> bool:
    """Return whether an answer is a stream of events, and no document."""
    return 200 <= answer.status < 300 and answer.headers.get("content-type", "").startswith(_EVENTS)


async def pass_on(answer: OcrAnswer, exchange: Exchange) -> ResponseEnding:
    """Send an answer on, to its end, and return how it ended.

    Raises:
        ApiError: the answer is no success, and nothing was sent.
        ProviderError: it broke off. Of events, what was sent ends with an event's end.
    """
    if not 200 <= answer.status < 300:
        error = refusal(answer.status, answer.headers, await answer.read(), NAME)
        error.detail = f"upstream status {answer.status}"
        raise error
    events = is_events(answer)
    exchange.begin(answer.status, EVENT_HEADERS if events else _passed(answer), events=events)
    if events:
        await exchange.send_head()
    last = b""
    try:
        async for last in answer.pieces():
            await _send(exchange, last)
    except ProviderError:
        if events and not last.endswith(b"\n\n"):
            # So that half an event is not taken for the beginning of the next one.
            await _send(exchange, b"\n\n")
        raise
    exchange.end(b"")
    return ResponseEnding(answer.status, "success")


async def _send(exchange: Exchange, piece: bytes) -> None:
    drain = exchange.pass_on(piece)
    if drain is not None:
        await drain


def _passed(answer: OcrAnswer) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(
        (name.encode(), answer.headers[name].encode("latin-1"))
        for name in _PASSED_HEADERS
        if name in answer.headers
    )
