"""Which engine gets a request. The relay knows only `Dispatcher`, so how it decides can change."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from llm_provider.errors import StreamInterrupted
from llm_provider.provider import Relay
from querylake_api.inference.assignment import Assignment
from querylake_api.inference.call import Call
from querylake_api.inference.catalog import Target
from querylake_api.observability.request_record import RequestRecord


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine answered: whole, or the beginning of a stream.

    Attributes:
        target: who sent it.
        headers: with lower-case names.
        body: all of it; of a stream its first piece, which is never empty.
        rest: the further pieces of a stream; None for a whole answer.
    """

    target: Target
    status: int
    headers: Mapping[str, str]
    body: bytes
    rest: AsyncIterator[bytes] | None


class Dispatch(Protocol):
    """One request on its way. Leaving the block in any way ends the request to the engine."""

    async def __aenter__(self) -> Answer:
        """Send the request and wait for as much of the answer as nothing can be sent on without.

        Raises:
            ProviderError: no answer began, and nothing is left to try.
        """
        ...

    async def __aexit__(self, *exc_info: object) -> None: ...


class Dispatcher(Protocol):
    """Chooses targets and sends requests to them."""

    def dispatch(self, call: Call, record: RequestRecord) -> Dispatch:
        """Return the request, ready to be sent. The record is told where it goes."""
        ...


class LeastOutstanding:
    """Sends each request to the target of its stack whose engine has the fewest under way.

    Ties go round: between equals, the one that has waited longest is next.
    """

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self.outstanding: Counter[str] = Counter()
        self._last_used: dict[str, int] = {}
        self._clock = 0

    def dispatch(self, call: Call, record: RequestRecord) -> Dispatch:
        """Return the request, bound to the least busy target of its stack."""
        model = call.model
        assigned = self._assignment.stack_for(model, call.key, call.request_id)
        record.assigned_stack = assigned
        targets = model.targets_of(assigned)
        record.stack = targets[0].stack
        return _Dispatch(call, self._least_busy(targets), self.outstanding)

    def _least_busy(self, targets: Sequence[Target]) -> Target:
        target = targets[0] if len(targets) == 1 else min(targets, key=self._busyness)
        self._clock += 1
        self._last_used[target.upstream] = self._clock
        return target

    def _busyness(self, target: Target) -> tuple[int, int]:
        return self.outstanding[target.upstream], self._last_used.get(target.upstream, 0)


class _Dispatch:
    __slots__ = ("_call", "_outstanding", "_relay", "_target")

    def __init__(self, call: Call, target: Target, outstanding: Counter[str]) -> None:
        self._call = call
        self._target = target
        self._outstanding = outstanding
        self._relay: Relay | None = None

    async def __aenter__(self) -> Answer:
        call = self._call
        target = self._target
        self._outstanding[target.upstream] += 1
        try:
            self._relay = await target.provider.relay(
                "POST",
                call.endpoint.upstream_path,
                body=call.body_for(target.model),
                request_id=call.request_id,
            )
            await self._relay.__aenter__()
            return await _begun(self._relay, target, call.stream)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        self._outstanding[self._target.upstream] -= 1
        if self._relay is not None:
            await self._relay.__aexit__(*exc_info)


async def _begun(relay: Relay, target: Target, stream: bool) -> Answer:
    """Return an answer once it can be passed on."""
    headers = relay.headers
    if not (
        stream
        and 200 <= relay.status < 300
        and headers.get("content-type", "").startswith("text/event-stream")
    ):
        return Answer(target, relay.status, headers, await relay.read(), None)
    rest = relay.chunks()
    async for first in rest:
        return Answer(target, relay.status, headers, first, rest)
    raise StreamInterrupted(target.upstream, 0, "it ended before it began")
