"""Copies of requests to the candidate, whose answers are thrown away.

The client never notices: the copy is another task, begun after the request itself was bound to its
stack, and there are at most so many at a time. What the copy met is recorded like any outcome.
"""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from llm_provider.errors import ProviderError
from querylake_api.error_responses.delivery import send_error
from querylake_api.errors import ApiError
from querylake_api.http_server.asgi import Message
from querylake_api.http_server.asgi_exchange import AsgiExchange
from querylake_api.inference.call import Call
from querylake_api.inference.catalog import Model
from querylake_api.inference.dispatch import BalancingDispatcher, Dispatch, Dispatcher
from querylake_api.inference.engine_request import EngineRequest
from querylake_api.inference.errors import from_provider
from querylake_api.keys.models import ApiKey
from querylake_api.requests.handling import record_of
from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import Progress
from querylake_api.rollouts.records.buckets import bucket
from querylake_api.rollouts.routing.assignment import RolloutAssignment, about
from querylake_api.rollouts.routing.outcome_recorder import OutcomeRecorder
from querylake_api.settings import Role

MAX_COPIES: Final = 16
"""Copies under way at once, in each worker; beyond that, requests are not copied."""

_log = logging.getLogger(__name__)


class AlwaysCandidate:
    """Assigns everything to the candidate: what copies are sent with."""

    def stack_for(self, model: Model, key: ApiKey, request_id: str) -> Role:
        """Return `candidate`."""
        return "candidate"


class ShadowingDispatcher:
    """Sends requests on as another dispatcher does, and copies some of them.

    Args:
        copies: a dispatcher that sends everything to the candidate.
    """

    def __init__(
        self,
        requests: Dispatcher,
        copies: BalancingDispatcher,
        assignment: RolloutAssignment,
        recorder: OutcomeRecorder,
    ) -> None:
        self._requests = requests
        self._copies = copies
        self._assignment = assignment
        self._recorder = recorder
        self._under_way: set[asyncio.Task[None]] = set()

    def dispatch(self, call: Call, progress: Progress) -> Dispatch:
        """Return the request, bound to its stack; a copy may have been begun."""
        dispatch = self._requests.dispatch(call, progress)
        live = self._assignment.judged_since(call.model.id)
        if live is None:
            return dispatch
        self._recorder.began(
            call.identity, call.workload, dispatch.assigned_stack, dispatch.stack, progress
        )
        split = live[0]
        if (
            split.shadow_below
            and dispatch.stack == "stable"
            and len(self._under_way) < MAX_COPIES
            and call.key.id not in split.deny
            and bucket(split.salt, call.identity.request_id) < split.shadow_below
            and about(split, call.model)
        ):
            copy = asyncio.create_task(self._copy(call))
            self._under_way.add(copy)
            copy.add_done_callback(self._under_way.discard)
        return dispatch

    async def close(self) -> None:
        """End every copy."""
        for copy in list(self._under_way):
            copy.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _copy(self, call: Call) -> None:
        copy = _Copy(call, self._copies, self._recorder)
        try:
            await copy.run()
        except Exception:  # noqa: BLE001 - a copy has no caller who could be told
            _log.exception("the copy of request %s failed", call.identity.request_id)
            return
        finally:
            self._recorder.forget(copy.identity)
        self._recorder.finished(record_of(copy, time.perf_counter()))


class _Copy(EngineRequest):
    """A copy of a request, whose response goes nowhere."""

    __slots__ = ("_call", "_dispatcher", "_recorder")

    def __init__(
        self, call: Call, dispatcher: BalancingDispatcher, recorder: OutcomeRecorder
    ) -> None:
        route = call.workload.route
        identity = RequestIdentity(f"shadow-{call.identity.request_id}", "POST", route)
        nowhere = AsgiExchange({"method": "POST", "headers": []}, _stays, _discard)
        super().__init__(nowhere, identity, call.workload, call.endpoint.protocol.dialect)
        self._call = call
        self._dispatcher = dispatcher
        self._recorder = recorder

    async def run(self) -> None:
        """Have the candidate answer, and see how it does."""
        self._recorder.began(self.identity, self.workload, "candidate", "candidate", self.progress)
        try:
            await self.serve(self._call, self._dispatcher)
        except ApiError as error:
            self.ending = await send_error(self.exchange, error, self.dialect)
        except ProviderError as failure:
            told = from_provider(failure, self.workload.model)
            self.ending = await send_error(self.exchange, told, self.dialect)


async def _stays() -> Message:
    """Never tell that the client has left."""
    await asyncio.Event().wait()
    return {"type": "http.disconnect"}


async def _discard(message: Message) -> None:
    """Throw a piece of a response away."""
