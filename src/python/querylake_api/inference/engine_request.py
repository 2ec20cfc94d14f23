"""A request that an engine answers: sent on its way, and its answer passed on."""

# compiled: runs for each request.

from __future__ import annotations

from llm_provider.attempt_outcome import AttemptOutcome
from querylake_api.inference.answer import Answer
from querylake_api.inference.call import Call
from querylake_api.inference.delivery import Delivery, WholeDelivery, refused
from querylake_api.inference.dispatch import Dispatch, Dispatcher
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
        try:
            async with dispatch as answer:
                if bridge is not None:
                    answer = bridge.over(answer)
                await self._deliver(self._delivery(answer, call, dispatch.met), dispatch)
        finally:
            self.engines = dispatch.engines()

    def _delivery(self, answer: Answer, call: Call, met: AttemptOutcome | None) -> Delivery:
        """Return the way of an answer to the client.

        Args:
            met: what the attempt met; None as long as its answer is a stream.

        Raises:
            ApiError: the answer is no success.
        """
        if met is None:
            assert answer.rest is not None, "a whole answer is judged before it is sent on"
            return StreamDelivery(answer, answer.rest, call, self.exchange, self.progress)
        if met.kind == "answered":
            return WholeDelivery(answer, call, self.exchange)
        raise refused(answer, call, met)

    # A function of its own: mypyc narrows a variable's type for good in a coroutine's `finally`.
    async def _deliver(self, delivery: Delivery, dispatch: Dispatch) -> None:
        try:
            await delivery.run()
        finally:
            if delivery.met is not None:
                dispatch.met = delivery.met
            self.content = delivery.content
            self.ending = delivery.ending
