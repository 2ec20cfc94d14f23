"""Moving a stream of events from the engine to the client, as each event comes.

What goes out ends with an event's end every time, so that an error can be said at any moment and be
understood. Nothing is gained by passing on half an event: no client can read it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from llm_provider.errors import ProviderError, StreamInterrupted
from llm_provider.model_rewrite import StreamModelRewriter
from llm_provider.stream_observer import Ending, StreamObserver
from querylake_api.asgi import EVENT_STREAM, Message, Send
from querylake_api.inference.answer import Answer
from querylake_api.inference.call import Call
from querylake_api.inference.errors import from_provider
from querylake_api.observability.request_record import Outcome, RequestRecord

_DONE = b"data: [DONE]\n\n"

_OUTCOMES: dict[Ending, Outcome] = {
    "complete": "success",
    "in_band_error": "in_band_error",
    "truncated": "truncated",
    "malformed": "upstream_error",
}


async def pass_on_stream(
    answer: Answer, rest: AsyncIterator[bytes], call: Call, send: Send, record: RequestRecord
) -> None:
    """Send every event on, then end the stream in a way that tells how it went.

    The head goes out with the first piece: until then, the request can go to another engine. The
    client's last event is `[DONE]` if the engine's was, and otherwise an error.
    """
    await send(_head(record.request_id))
    record.streaming = True
    observer = StreamObserver(answer.target.upstream)
    failure: ProviderError | None = None
    try:
        await _pump(answer, rest, call, send, record, observer)
    except ProviderError as error:
        failure = error
    if observer.done or observer.in_band_error is not None:
        # The client has been told how it ended; what came later changes nothing for it.
        record.settle(200, _OUTCOMES[observer.ending])
        await send(_body(b"", more=False))
        return
    if failure is None:
        failure = StreamInterrupted(
            answer.target.upstream, observer.content_chunks, "it ended without [DONE]"
        )
    told = from_provider(failure, call.name)
    record.detail = str(failure)
    record.settle(200, _outcome(failure), told.code)
    await send(_body(told.event(), more=False))


async def _pump(
    answer: Answer,
    rest: AsyncIterator[bytes],
    call: Call,
    send: Send,
    record: RequestRecord,
    observer: StreamObserver,
) -> None:
    rewriter = StreamModelRewriter(call.name, answer.target.upstream)
    await _forward(rewriter.feed(answer.body), send, record, observer)
    async for chunk in rest:
        await _forward(rewriter.feed(chunk), send, record, observer)
    if rewriter.finish().rstrip() == b"data: [DONE]":
        # Half an event by the standard, since the empty line is missing; yet it says what it says.
        observer.feed(_DONE)
        await send(_body(_DONE, more=True))


async def _forward(
    events: bytes, send: Send, record: RequestRecord, observer: StreamObserver
) -> None:
    if not events:
        return
    observer.feed(events)
    if record.first_token_at is None and observer.content_chunks:
        record.first_token_at = time.perf_counter()
    await send(_body(events, more=True))


def _outcome(failure: ProviderError) -> Outcome:
    return "truncated" if isinstance(failure, StreamInterrupted) else "upstream_error"


def _head(request_id: str) -> Message:
    return {
        "type": "http.response.start",
        "status": 200,
        "headers": [
            (b"content-type", EVENT_STREAM),
            (b"cache-control", b"no-cache"),
            # nginx and others would hold the events back to fill a buffer.
            (b"x-accel-buffering", b"no"),
            (b"x-request-id", request_id.encode()),
        ],
    }


def _body(content: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}
