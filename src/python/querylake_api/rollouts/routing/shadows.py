"""Copies of requests to the candidate, whose answers are thrown away.

The client never notices: the copy is another task, begun after the request itself was bound to its
stack, and there are at most so many at a time. What the copy met is recorded like any outcome.
"""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import logging
import time

from llm_provider.errors import ProviderError
from querylake_api.error_responses.delivery import tell
from querylake_api.errors import ApiError
from querylake_api.http_server.asgi import Message
from querylake_api.inference.call import Call
from querylake_api.inference.catalog import Model
from querylake_api.inference.dispatch import BalancingDispatcher, Dispatch, Dispatcher
from querylake_api.inference.errors import from_provider
from querylake_api.inference.relay import pass_on
from querylake_api.keys.models import ApiKey
from querylake_api.requests.record import RequestRecord
from querylake_api.rollouts.records.buckets import bucket
from querylake_api.rollouts.routing.assignment import RolloutAssignment, about
from querylake_api.rollouts.routing.outcome_recorder import OutcomeRecorder
from querylake_api.settings import Role

MAX_COPIES = 16
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

    def dispatch(self, call: Call, record: RequestRecord) -> Dispatch:
        """Return the request, bound to its stack; a copy may have been begun."""
        dispatch = self._requests.dispatch(call, record)
        live = self._assignment.judged_since(call.model.id)
        if live is not None:
            self._recorder.began(record)
        if live is not None and live[0].shadow_below and record.stack == "stable":
            split = live[0]
            if (
                len(self._under_way) < MAX_COPIES
                and call.key.id not in split.deny
                and bucket(split.salt, call.request_id) < split.shadow_below
                and about(split, call.model)
            ):
                copy = asyncio.create_task(self._copy(call, record.route, record.request_bytes))
                self._under_way.add(copy)
                copy.add_done_callback(self._under_way.discard)
        return dispatch

    async def close(self) -> None:
        """End every copy."""
        for copy in list(self._under_way):
            copy.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _copy(self, call: Call, route: str, size: int) -> None:
        record = RequestRecord(f"shadow-{call.request_id}", "POST", route)
        record.route, record.model, record.request_bytes = route, call.model.id, size
        record.key_id, record.streamed = call.key.id, call.stream
        self._recorder.began(record)
        try:
            async with self._copies.dispatch(call, record) as answer:
                await pass_on(answer, call, _discard, record)
        except ApiError as error:
            await tell(_discard, error, record)
        except ProviderError as failure:
            await tell(_discard, from_provider(failure, record.model), record)
        except Exception:  # noqa: BLE001 - a copy has no caller who could be told
            _log.exception("the copy of request %s failed", call.request_id)
            return
        finally:
            self._recorder.forget(record)
        record.finish(time.perf_counter())
        self._recorder.finished(record)


async def _discard(message: Message) -> None:
    """Throw a piece of an answer away."""
