"""Bridges on the way of a request to its engine, and of the response back."""

# interpreted: a model without bridges costs a look-up here.

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from llm_provider.provider import Relay
from llm_provider.sse import EventSplitter
from querylake_api.inference.answer import Answer
from querylake_api.inference.call import Call
from querylake_api.inference.dispatch import Dispatch, Dispatcher
from querylake_api.parity.bridges import Rewrite, add_names, bridged_request, response_rewrite
from querylake_api.requests.record import RequestRecord
from querylake_api.settings import Bridge

HEADER = b"x-querylake-bridged"
"""Names the bridges that a request went over, in its response."""

Bridges = Mapping[str, tuple[Bridge, ...]]
"""By model; one that is not named has none."""

Count = Callable[[str, str], None]
"""Takes the model and the bridge of each request that went over one."""


class BridgingDispatcher:
    """Sends requests on as another dispatcher does, over the bridges of their models."""

    def __init__(self, requests: Dispatcher, bridges: Bridges, count: Count) -> None:
        self._requests = requests
        self._bridges = bridges
        self._count = count

    def dispatch(self, call: Call, record: RequestRecord) -> Dispatch:
        """Return the request, ready to be sent."""
        bridges = self._bridges.get(call.model.id)
        if not bridges or call.endpoint.capability not in ("chat", "completions"):
            return self._requests.dispatch(call, record)
        body, used = bridged_request(call.body, bridges)
        for bridge in used:
            self._count(call.model.id, bridge)
        if used:
            record.headers = (*record.headers, (HEADER, ", ".join(used).encode()))
            call = _with_body(call, body)
        dispatch = self._requests.dispatch(call, record)
        rewrite = response_rewrite(bridges)
        return dispatch if rewrite is None else _Bridged(dispatch, bridges, rewrite)


class _Bridged:
    """A request whose response gets the names that its caller reads."""

    def __init__(self, dispatch: Dispatch, bridges: tuple[Bridge, ...], rewrite: Rewrite) -> None:
        self._dispatch = dispatch
        self._bridges = bridges
        self._rewrite = rewrite

    async def __aenter__(self) -> Answer:
        """Send the request, as the dispatch does."""
        answer = await self._dispatch.__aenter__()
        if answer.error is not None:
            return answer
        if answer.rest is not None:
            relay = _BridgedRelay(answer.rest, self._rewrite, answer.target.upstream)
            return Answer(
                answer.target, answer.status, answer.headers, relay.taken(answer.body), relay
            )
        document = answer.document
        if not isinstance(document, dict) or not add_names(document, self._bridges):
            return answer
        body = json.dumps(document).encode()
        return Answer(answer.target, answer.status, answer.headers, body, document=document)

    async def __aexit__(self, *exc_info: object) -> None:
        """End the request."""
        await self._dispatch.__aexit__(*exc_info)


class _BridgedRelay(Relay):
    """The rest of a stream, event by event."""

    def __init__(self, relay: Relay, rewrite: Rewrite, upstream: str) -> None:
        self.status = relay.status
        self.headers = relay.headers
        self._relay = relay
        self._rewrite = rewrite
        self._splitter = EventSplitter(upstream)

    async def __aenter__(self) -> Relay:
        """Return the rest of the stream."""
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """End the request to the engine."""
        await self._relay.__aexit__(*exc_info)

    def taken(self, piece: bytes) -> bytes:
        """Return the events that a piece completes, rewritten."""
        return b"".join(map(self._rewrite, self._splitter.feed(piece)))

    async def piece(self) -> bytes:
        """Return the next events; nothing at the stream's end."""
        while piece := await self._relay.piece():
            events = self.taken(piece)
            if events:
                return events
        return self._splitter.finish()


def _with_body(call: Call, body: bytes) -> Call:
    """Return a call with another body."""
    return Call(
        call.endpoint,
        call.model,
        call.name,
        body,
        call.stream,
        call.key,
        call.request_id,
        call.stream_options,
        call.rerank,
        call.tokens,
        call.prompt_tokens,
        call.forwarded,
    )
