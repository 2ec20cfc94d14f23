"""Bridges on the way of a request to its engine, and of the response back."""

# interpreted: few models have bridges; one without costs a look-up here.

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from llm_provider.provider import Relay
from llm_provider.sse import EventSplitter
from querylake_api.http_server.exchange import Headers
from querylake_api.inference.answer import Answer
from querylake_api.inference.call import Call
from querylake_api.inference.dispatch import Dispatch, Dispatcher
from querylake_api.parity.bridges import Rewrite, add_names, bridged_request, response_rewrite
from querylake_api.requests.record import Progress
from querylake_api.settings import Bridge

HEADER = b"x-querylake-bridged"
"""Names the bridges that a request went over, in its response."""

Bridges = Mapping[str, tuple[Bridge, ...]]
"""By model; one that is not named has none."""

Count = Callable[[str, str], None]
"""Takes the model and the bridge of each request that went over one."""


def over_bridges(requests: Dispatcher, bridges: Bridges, count: Count) -> Dispatcher:
    """Return what sends requests over the bridges of their models, and costs nothing without."""
    return BridgingDispatcher(requests, bridges, count) if any(bridges.values()) else requests


class BridgingDispatcher:
    """Sends requests on as another dispatcher does, over the bridges of their models."""

    def __init__(self, requests: Dispatcher, bridges: Bridges, count: Count) -> None:
        self._requests = requests
        self._bridges = bridges
        self._count = count

    def dispatch(self, call: Call, progress: Progress) -> Dispatch:
        """Return the request, ready to be sent."""
        bridges = self._bridges.get(call.model.id)
        if not bridges or call.endpoint.capability not in ("chat", "completions"):
            return self._requests.dispatch(call, progress)
        body, used = bridged_request(call.body, bridges)
        for bridge in used:
            self._count(call.model.id, bridge)
        rewrite = response_rewrite(bridges)
        if used or rewrite is not None:
            call = call.bridged(body if used else call.body, _WayBack(used, bridges, rewrite))
        return self._requests.dispatch(call, progress)


class _WayBack:
    """Gives a response the names that its caller reads.

    Args:
        used: the bridges that the request went over.
        rewrite: of a stream's events; None if the response needs no bridge.
    """

    def __init__(
        self, used: Sequence[str], bridges: tuple[Bridge, ...], rewrite: Rewrite | None
    ) -> None:
        self._used = used
        self._bridges = bridges
        self._rewrite = rewrite

    @property
    def headers(self) -> Headers:
        """Name the bridges, if the request went over any."""
        return ((HEADER, ", ".join(self._used).encode()),) if self._used else ()

    def over(self, answer: Answer) -> Answer:
        """Return an answer with the names that the caller reads."""
        if answer.error is not None or self._rewrite is None:
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
