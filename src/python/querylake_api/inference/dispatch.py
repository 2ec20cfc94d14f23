"""Which engine gets a request. The relay knows only `Dispatcher`, so how it decides can change."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from llm_provider.provider import Relay
from querylake_api.inference.call import Call
from querylake_api.inference.catalog import Target


@dataclass(frozen=True, slots=True)
class Answer:
    """An engine's answer, of which the head is here: who sent it, and how to read the rest."""

    target: Target
    relay: Relay


class Dispatch(Protocol):
    """One request on its way. Leaving the block in any way ends the request to the engine."""

    async def __aenter__(self) -> Answer:
        """Send the request.

        Raises:
            ProviderError: no head arrived, and nothing is left to try.
        """
        ...

    async def __aexit__(self, *exc_info: object) -> None: ...


class Dispatcher(Protocol):
    """Chooses targets and sends requests to them."""

    def dispatch(self, call: Call) -> Dispatch:
        """Return the request, ready to be sent."""
        ...


class LeastOutstanding:
    """Sends each request to the stable target whose engine has the fewest under way.

    Ties go round: between equals, the one that has waited longest is next.
    """

    def __init__(self) -> None:
        self.outstanding: Counter[str] = Counter()
        self._last_used: dict[str, int] = {}
        self._clock = 0

    def dispatch(self, call: Call) -> Dispatch:
        """Return the request, bound to the least busy target of its model."""
        stable = call.model.stable
        target = stable[0] if len(stable) == 1 else min(stable, key=self._busyness)
        self._clock += 1
        self._last_used[target.upstream] = self._clock
        return _Dispatch(call, target, self.outstanding)

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
        except BaseException:
            self._outstanding[target.upstream] -= 1
            raise
        return Answer(target, self._relay)

    async def __aexit__(self, *exc_info: object) -> None:
        self._outstanding[self._target.upstream] -= 1
        if self._relay is not None:
            await self._relay.__aexit__(*exc_info)
