"""Moving a stream of events from the engine to the client, as each event comes.

What goes out ends with an event's end every time, so that an error can be said at any moment and be
understood. Nothing is gained by passing on half an event: no client can read it.
"""

# compiled: runs for each request.

from __future__ import annotations

import time
from typing import Final

from llm_provider.attempt_outcome import COMPLETED, AttemptKind, AttemptOutcome
from llm_provider.engine_errors import status_of
from llm_provider.errors import ProviderError, StreamInterrupted
from llm_provider.familiar_events import FamiliarEvents
from llm_provider.json_text import read_json
from llm_provider.model_rewrite import StreamModelRewriter
from llm_provider.observer import DONE, Ending, Observer
from llm_provider.provider import Drain, Relay
from llm_provider.repetition import TextTail
from llm_provider.sse import EventSplitter, data_of
from llm_provider.stream_usage import is_usage_chunk
from llm_provider.token_usage import token_usage
from querylake_api.error_responses.dialects import error_event
from querylake_api.http_server.asgi import EVENT_HEADERS
from querylake_api.http_server.exchange import Exchange
from querylake_api.inference.answer import Answer
from querylake_api.inference.call import Call
from querylake_api.inference.delivery import Delivery
from querylake_api.inference.errors import from_provider
from querylake_api.inference.judgement import judge_error
from querylake_api.inference.ledger_notes import ledger_notes
from querylake_api.requests.gaps import Gaps
from querylake_api.requests.record import Progress, ResponseContent, ResponseEnding

_KINDS: Final[dict[Ending, AttemptKind]] = {
    "complete": "completed",
    "unfinished": "unfinished",
    "malformed": "unreadable",
    "in_band_error": "in_band_error",
    "truncated": "truncated",
}


def _is_whole(block: bytes) -> bool:
    """Return whether all of an event is there but the empty line that ends it."""
    data = data_of(block)
    if data is None:
        return False
    if data.strip() == DONE:
        return True
    try:
        return isinstance(read_json(data), dict)
    except ValueError:
        return False


def _met(answer: Answer, observer: Observer) -> AttemptOutcome:
    """Return what was met by a stream that has told its end."""
    ending = observer.ending
    if ending == "complete":
        return COMPLETED
    error = observer.in_band_error
    status = 200 if error is None else status_of(error)
    reason = f"upstream {answer.target.upstream!r}: the stream's ending is {ending}"
    return AttemptOutcome(_KINDS[ending], status, reason)


class StreamDelivery(Delivery):
    """The events of one stream on their way, and what is learnt from them and from the clock.

    The head goes out with the events of the first piece: until that is here, the request can go to
    another engine. The client's last event is the protocol's last one if the engine's was, and
    otherwise an error.

    Args:
        rest: brings what follows the answer's beginning.
    """

    __slots__ = (
        "_answer",
        "_call",
        "_exchange",
        "_familiar",
        "_hides_usage",
        "_last",
        "_noted",
        "_progress",
        "_protocol",
        "_rest",
        "_rewriter",
        "_splitter",
        "_tail",
        "_unread",
        "observer",
    )

    def __init__(
        self, answer: Answer, rest: Relay, call: Call, exchange: Exchange, progress: Progress
    ) -> None:
        super().__init__()
        self._answer = answer
        self._rest = rest
        self._call = call
        self._hides_usage = call.hides_usage
        self._exchange = exchange
        self._progress = progress
        self._protocol = call.endpoint.protocol
        self._splitter = EventSplitter(answer.target.upstream)
        self._rewriter = StreamModelRewriter(call.name, within=self._protocol.model_within)
        self._tail = TextTail()
        self._familiar = FamiliarEvents(self._tail)
        self._last = 0.0
        self._noted = 0
        self._unread: list[tuple[bytes, bytes]] = []
        self.observer = self._protocol.observer(answer.target.upstream)

    async def run(self) -> None:
        """Send every event on, then end the stream in a way that tells how it went."""
        exchange = self._exchange
        if not exchange.streaming:  # a comment may have begun it
            exchange.begin(200, EVENT_HEADERS, events=True)
        last = b""
        failure: ProviderError | None = None
        try:
            drain = self._take(self._answer.body)
            if drain is not None:
                await drain
            await exchange.send_head()
            last = await self._pump()
        except ProviderError as error:
            failure = error
        finally:
            self.content = self._content()
        self._end(last, failure)

    def _end(self, last: bytes, failure: ProviderError | None) -> None:
        observer = self.observer
        if observer.done or observer.in_band_error is not None:
            # The client has been told how it ended; what came later changes nothing for it.
            met = _met(self._answer, observer)
            self.met = met
            self.ending = ResponseEnding(200, ledger_notes(met.kind))
            self._exchange.end(last)
            return
        closed_properly = failure is None
        if failure is None:
            failure = StreamInterrupted(
                self._answer.target.upstream,
                observer.content_chunks,
                f"it ended without {self._protocol.end}",
            )
        told = from_provider(failure, self._call.name)
        met = judge_error(failure)
        if closed_properly and observer.finished:
            met = AttemptOutcome("unmarked", reason=met.reason)
        self.met = met
        self.ending = ResponseEnding(200, ledger_notes(met.kind), told.code, met.reason)
        self._exchange.end(last + error_event(told, self._protocol.dialect))

    async def _pump(self) -> bytes:
        """Pass on what comes, and return what is to go out together with the end.

        Raises what `rest` does, and `EventTooLarge`.
        """
        last = await self._rest.pump(self._take)
        events = self._read(last) if last else b""
        left = self._splitter.finish().rstrip()
        if left and _is_whole(left):
            # Half an event by the standard, since the empty line is missing; it says what it says.
            events += self._read(left + b"\n\n")
        self._note(time.perf_counter())
        return events

    def _content(self) -> ResponseContent:
        """Return what the events told, however far they came."""
        observer = self.observer
        usage = token_usage(observer.usage)
        chunks = observer.content_chunks
        return ResponseContent(
            usage.prompt,
            usage.completion,
            chunks,
            observer.ending,
            observer.finish_reason,
            chunks == 0,
            self._tail.loops,
        )

    def _take(self, piece: bytes) -> Drain | None:
        """Pass on what the client gets of a piece, and then take note of it: nobody waits for that.

        It is called for each token of each stream, mostly after the processor has done something
        else: each function more is one that it must fetch again.
        """
        now = time.perf_counter()
        events = None if self._splitter.holds else self._familiar.rewritten(piece)
        if events is not None:
            drain = self._exchange.pass_on(events)
            self.observer.content_chunks += 1
        else:
            events = self._read(piece)
            drain = self._exchange.pass_on(events) if events else None
        self._note(now)
        return drain

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
        progress = self._progress
        if progress.first_token_at is None:
            progress.first_token_at = now
        else:
            if progress.gaps is None:
                progress.gaps = Gaps()
            progress.gaps.add(now - self._last)
        self._last = now

    def _observe(self) -> None:
        """Find out what events say that are not familiar."""
        observer = self.observer
        unread, self._unread = self._unread, []
        for block, rewritten in unread:
            before = observer.content_chunks
            observer.see(block)
            if observer.content_chunks == before:
                continue
            self._tail.add(observer.text.encode("utf-8", "replace"))
            if self._protocol.has_familiar_events:
                self._familiar.learn(block, rewritten)
