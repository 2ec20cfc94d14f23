"""One half of a pair: a request sent once more, whose response is kept to be compared."""

# compiled: of a compiled class there are no interpreted subclasses.

from __future__ import annotations

import asyncio

from querylake_api.http_server.asgi import Message, Send
from querylake_api.http_server.asgi_exchange import AsgiExchange
from querylake_api.inference.call import Call
from querylake_api.inference.dispatch import Dispatcher
from querylake_api.inference.engine_request import EngineRequest
from querylake_api.requests.identity import RequestIdentity


class PairRequest(EngineRequest):
    """A copy of a request.

    Args:
        take: gets its response, as ASGI's `send` does.
    """

    __slots__ = ("_call", "_dispatcher")

    def __init__(self, call: Call, dispatcher: Dispatcher, take: Send) -> None:
        identity = RequestIdentity(
            f"parity-{call.identity.request_id}", "POST", call.workload.route
        )
        exchange = AsgiExchange({"method": "POST", "headers": []}, _stays, take)
        super().__init__(exchange, identity, call.workload, call.endpoint.protocol.dialect)
        self._call = call
        self._dispatcher = dispatcher

    async def run(self) -> None:
        """Have an engine answer.

        Raises:
            ApiError, ProviderError: as `serve`.
        """
        await self.serve(self._call, self._dispatcher)


async def _stays() -> Message:
    """Never tell that the client has left."""
    await asyncio.Event().wait()
    return {"type": "http.disconnect"}
