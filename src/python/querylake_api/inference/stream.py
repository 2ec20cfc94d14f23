"""Moving a stream of events from the engine to the client, as each event comes.

What goes out ends with an event's end every time, so that an error can be said at any moment and be
understood. Nothing is gained by passing on half an event: no client can read it.
"""

from __future__ import annotations

import time

from llm_provider.errors import ProviderError, StreamInterrupted
from llm_provider.familiar_events import FamiliarEvents
from llm_provider.model_rewrite import StreamModelRewriter
from llm_provider.provider import Patience, Relay, Sink
from llm_provider.sse import EventSplitter
from llm_provider.stream_observer import Ending
from llm_provider.stream_usage import is_usage_chunk
from llm_provider.token_usage import token_usage
from querylake_api.error_responses.dialects import error_event
from querylake_api.http_server.asgi import EVENT_STREAM, Message, Send
from querylake_api.http_server.exchange import Exchange
from querylake_api.inference.answer import Answer
from querylake_api.inference.call import Call
from querylake_api.inference.errors import from_provider
from querylake_api.requests.gaps import Gaps
from querylake_api.requests.record import Outcome, RequestRecord

_OUTCOMES: dict[Ending, Outcome] = {
    "complete": "success",
    "in_band_error": "in_band_error",
    "truncated": "truncated",
    "malformed": "upstream_error",
}


async def pass_on_stream(
    answer: Answer,
    rest: Relay,
    call: Call,
    send: Send,
    record: RequestRecord,
    exchange: Exchange | None = None,
) -> None:
    """Send every event on, then end the stream in a way that tells how it went.

    The head goes out with the events of the first piece: until that is here, the request can go to
    another engine. The client's last event is the protocol's last one if the engine's was, and
    otherwise an error.

    Args:
        exchange: takes events at once, without a task that wakes for each; None where there is
            only `send`.
    """
    if exchange is None:
        await send({"type": "http.response.start", "status": 200, "headers": _headers(record)})
        pass_event = _through(send)
    else:
        exchange.begin(200, _headers(record))
        pass_event = exchange.pass_on
    record.streaming = True
    passage = _Passage(answer, call, pass_event, record)
    observer = passage.observer
    protocol = call.endpoint.protocol
    last = b""
    failure: ProviderError | None = None
    try:
        await passage.begin()
        if exchange is not None:
            exchange.send_head()
        last = await passage.of(rest)
    except ProviderError as error:
        failure = error
    finally:
        passage.close()
    if observer.done or observer.in_band_error is not None:
        # The client has been told how it ended; what came later changes nothing for it.
        record.settle(200, _OUTCOMES[observer.ending])
        await _end(last, send, exchange)
        return
    if failure is None:
        failure = StreamInterrupted(
            answer.target.upstream, observer.content_chunks, f"it ended without {protocol.end}"
        )
    told = from_provider(failure, call.name)
    record.detail = str(failure)
    record.settle(200, _outcome(failure), told.code)
    await _end(last + error_event(told, protocol.dialect), send, exchange)


async def _end(last: bytes, send: Send, exchange: Exchange | None) -> None:
    """Send the end of a stream, or leave it to be sent when all is noted about the request.

    So whoever has the end of a stream will find it in the records. And the client's next request,
    which may come at once, does not wait for what is still to be done for this one.
    """
    if exchange is None:
        await send(_body(last, more=False))
    else:
        exchange.end_with(last)


class _Passage:
    """The events of one stream on their way, and what is learnt from them and from the clock."""

    __slots__ = (
        "_answer",
        "_familiar",
        "_hides_usage",
        "_last",
        "_noted",
        "_protocol",
        "_record",
        "_rewriter",
        "_sink",
        "_splitter",
        "_unread",
        "observer",
    )

    def __init__(self, answer: Answer, call: Call, sink: Sink, record: RequestRecord) -> None:
        self._answer = answer
        self._hides_usage = call.hides_usage
        self._sink = sink
        self._record = record
        self._protocol = call.endpoint.protocol
        self._splitter = EventSplitter(answer.target.upstream)
        self._rewriter = StreamModelRewriter(call.name, within=self._protocol.model_within)
        self._familiar = FamiliarEvents()
        self._last = 0.0
        self._noted = 0
        self._unread: list[tuple[bytes, bytes]] = []
        self.observer = self._protocol.observer(answer.target.upstream)

    async def begin(self) -> None:
        """Pass on what is here. Raises `EventTooLarge`."""
        patience = self._take(self._answer.body)
        if patience is not None:
            await patience

    async def of(self, rest: Relay) -> bytes:
        """Pass on what comes, and return what is to go out together with the end.

        Raises what `rest` does, and `EventTooLarge`.
        """
        last = await rest.pump(self._take)
        events = self._read(last) if last else b""
        left = self._splitter.finish().rstrip()
        if left and left == self._protocol.unended:
            # Half an event by the standard, since the empty line is missing; it says what it says.
            events += self._read(left + b"\n\n")
        self._note(time.perf_counter())
        return events

    def close(self) -> None:
        """Note in the record what the events told, however far they came."""
        observer = self.observer
        record = self._record
        usage = token_usage(observer.usage)
        record.prompt_tokens = usage.prompt
        record.completion_tokens = usage.completion
        record.content_chunks = observer.content_chunks
        record.ending = observer.ending

    def _take(self, piece: bytes) -> Patience | None:
        """Pass on what the client gets of a piece, and then take note of it: nobody waits for that.

        It is called for each token of each stream, mostly after the processor has done something
        else: each function more is one that it must fetch again.
        """
        now = time.perf_counter()
        events = None if self._splitter.holds else self._familiar.rewritten(piece)
        if events is not None:
            patience = self._sink(events)
            self.observer.content_chunks += 1
        else:
            events = self._read(piece)
            patience = self._sink(events) if events else None
        self._note(now)
        return patience

    def _read(self, piece: bytes) -> bytes:
        """Return what the client gets of a piece. What it says is to be noted."""
        passed: list[bytes] = []
        for block in self._splitter.feed(piece):
            events = self._familiar.rewritten(block)
            if events is not None:
                self.observer.content_chunks += 1
            else:
                hidden = self._hides_usage and is_usage_chunk(block)
                events = b"" if hidden else self._rewriter.rewrite(block)
                self._unread.append((block, events))
            passed.append(events)
        return b"".join(passed)

    def _note(self, now: float) -> None:
        """Note what was passed on at a moment."""
        observer = self.observer
        if self._unread:
            self._observe()
        if observer.content_chunks == self._noted:
            return
        self._noted = observer.content_chunks
        record = self._record
        if record.first_token_at is None:
            record.first_token_at = now
        else:
            if record.gaps is None:
                record.gaps = Gaps()
            record.gaps.add(now - self._last)
        self._last = now

    def _observe(self) -> None:
        """Find out what events say that are not familiar."""
        observer = self.observer
        unread, self._unread = self._unread, []
        for block, rewritten in unread:
            before = observer.content_chunks
            observer.see(block)
            if observer.content_chunks > before and self._protocol.has_familiar_events:
                self._familiar.learn(block, rewritten)


def _through(send: Send) -> Sink:
    return lambda events: send(_body(events, more=True))


def _outcome(failure: ProviderError) -> Outcome:
    return "truncated" if isinstance(failure, StreamInterrupted) else "upstream_error"


def _headers(record: RequestRecord) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", EVENT_STREAM),
        (b"cache-control", b"no-cache"),
        # nginx and others would hold the events back to fill a buffer.
        (b"x-accel-buffering", b"no"),
        (b"x-request-id", record.request_id.encode()),
        *record.headers,
    ]


def _body(content: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}
