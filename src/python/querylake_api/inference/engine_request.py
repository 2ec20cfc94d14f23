"""A request that an engine answers: sent on its way, and its answer passed on."""

# compiled: runs for each request.

from __future__ import annotations

from querylake_api.inference.call import Call
from querylake_api.inference.delivery import Delivery, WholeDelivery, refused
from querylake_api.inference.dispatch import Dispatcher
from querylake_api.inference.stream import StreamDelivery
from querylake_api.requests.handling import Handling


class EngineRequest(Handling):
    """Handles one request by having an engine answer it."""

    __slots__ = ()

    async def serve(self, call: Call, dispatcher: Dispatcher) -> None:
        """Have an engine answer, and send the answer on to its end.

        Raises:
            ApiError: the answer is no success and nothing of it was sent, or there is no room.
            ProviderError: no answer began, and nothing is left to try.
        """
        dispatch = dispatcher.dispatch(call, self.progress)
        bridge = dispatch.bridge
        if bridge is not None:
            self.exchange.headers += bridge.headers
        delivery: Delivery | None = None
        try:
            async with dispatch as answer:
                if bridge is not None:
                    answer = bridge.over(answer)
                met = dispatch.met
                if met is None:
                    assert answer.rest is not None, "a whole answer is judged before it is sent on"
                    delivery = StreamDelivery(
                        answer, answer.rest, call, self.exchange, self.progress
                    )
                elif met.kind == "answered":
                    delivery = WholeDelivery(answer, call, self.exchange)
                else:
                    raise refused(answer, call, met)
                try:
                    await delivery.run()
                finally:
                    if delivery.met is not None:
                        dispatch.met = delivery.met
        finally:
            self.engines = dispatch.engines()
            if delivery is not None:
                self.content = delivery.content
                self.ending = delivery.ending
