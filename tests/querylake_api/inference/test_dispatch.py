"""Which stack a request goes to, and that it stays there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from llm_provider.config import UpstreamConfig
from llm_provider.errors import UpstreamDisconnected
from llm_provider.openai_http import OpenAIHTTPProvider
from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, scripted_engine
from querylake_api.inference.call import Call
from querylake_api.inference.catalog import Model, Target
from querylake_api.inference.dispatch import BalancingDispatcher
from querylake_api.inference.routes import ENDPOINTS
from querylake_api.keys.models import ApiKey
from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import EngineAttempts, Progress, Workload
from querylake_api.settings import RetrySettings, Role
from querylake_api.upstreams.upstream import Upstream
from querylake_api_testing.valid_keys import valid_key

KEY = valid_key("key_1")
HANGS_UP = 0
"""In place of a status: the connection is closed before the response."""

IDENTITY = RequestIdentity("req_1", "POST", "/")
BODY = b'{"model":"m","messages":[]}'


class AlwaysCandidate:
    """Gives everything to the candidate."""

    def stack_for(self, model: Model, key: ApiKey, request_id: str) -> Role:
        return "candidate"


class Stacks:
    """A stable and a candidate engine, without the API in front of them."""

    def __init__(self, stable: ScriptedEngine, candidate: ScriptedEngine) -> None:
        self.stable = stable
        self.candidate = candidate
        self._upstreams = {
            "stable": Upstream(OpenAIHTTPProvider(UpstreamConfig("stable", stable.url))),
            "candidate": Upstream(OpenAIHTTPProvider(UpstreamConfig("candidate", candidate.url))),
        }

    def model(self, *, candidates: bool = True) -> Model:
        stable = Target(self._upstreams["stable"], "M", "stable")
        candidate = Target(self._upstreams["candidate"], "M", "candidate")
        chat = frozenset({"chat"})
        return Model("m", (), chat, (stable,), (candidate,) if candidates else ())  # type: ignore[arg-type]

    def replicas(self) -> Model:
        """Return a model whose candidate is both engines."""
        first, second = self._upstreams["candidate"], self._upstreams["stable"]
        stable = Target(second, "M", "stable")
        both = (Target(first, "M", "candidate"), Target(second, "M", "candidate"))
        return Model("m", (), frozenset({"chat"}), (stable,), both)

    async def send(self, model: Model) -> EngineAttempts:
        dispatcher = BalancingDispatcher([model], AlwaysCandidate(), RetrySettings())
        call = Call(ENDPOINTS[0], model, "m", BODY, False, KEY, IDENTITY, Workload())
        dispatch = dispatcher.dispatch(call, Progress())
        try:
            async with dispatch as answer:
                assert answer.status == 200
                assert answer.target.stack == dispatch.stack
        finally:
            assert [upstream.outstanding for upstream in self._upstreams.values()] == [0, 0]
            self.engines = dispatch.engines()
        return self.engines

    async def close(self) -> None:
        for upstream in self._upstreams.values():
            await upstream.provider.close()


@pytest.fixture
async def stacks() -> AsyncIterator[Stacks]:
    async with scripted_engine() as stable, scripted_engine() as candidate:
        both = Stacks(stable, candidate)
        yield both
        await both.close()


async def test_what_is_assigned_to_the_candidate_is_answered_by_it(stacks: Stacks) -> None:
    engines = await stacks.send(stacks.model())
    assert (engines.assigned_stack, engines.stack) == ("candidate", "candidate")
    assert (engines.upstream, engines.count) == ("candidate", 1)
    assert len(stacks.stable.requests) == 0


async def test_a_candidate_that_fails_is_not_covered_up_by_the_stable_stack(
    stacks: Stacks,
) -> None:
    async def hang_up(exchange: Exchange) -> None:
        exchange.hang_up()

    stacks.candidate.script = hang_up
    with pytest.raises(UpstreamDisconnected):
        await stacks.send(stacks.model())
    assert (stacks.engines.assigned_stack, stacks.engines.stack) == ("candidate", "candidate")
    assert (stacks.engines.upstream, stacks.engines.count) == ("candidate", 2)
    assert len(stacks.stable.requests) == 0


async def test_a_model_without_candidates_says_where_its_answer_came_from(stacks: Stacks) -> None:
    engines = await stacks.send(stacks.model(candidates=False))
    assert (engines.assigned_stack, engines.stack) == ("candidate", "stable")
    assert len(stacks.stable.requests) == 1


@pytest.mark.parametrize(
    ("status", "headers", "error", "failed"),
    [
        (HANGS_UP, {}, {}, 1),
        (500, {}, {"message": "CUDA error"}, 1),
        (503, {}, {"message": "overloaded"}, 1),
        (503, {"Retry-After": "1"}, {"message": "full"}, 0),
        (429, {"Retry-After": "1"}, {"message": "full"}, 0),
        (404, {}, {"message": "The model `M` does not exist.", "type": "NotFoundError"}, 0),
    ],
)
async def test_an_engine_that_failed_is_told_from_one_without_room_or_model(
    stacks: Stacks,
    status: int,
    headers: dict[str, str],
    error: dict[str, str],
    failed: int,
) -> None:
    async def refuse(exchange: Exchange) -> None:
        if status == HANGS_UP:
            exchange.hang_up()
        else:
            await exchange.whole({"error": error}, status=status, headers=headers)

    stacks.candidate.script = refuse
    replicas = stacks.replicas()
    counted = [await stacks.send(replicas) for _ in range(2)]
    saved = [(engines.count, engines.failed) for engines in counted if engines.count > 1]
    assert saved[0] == (2, failed), counted
    assert counted[0].upstream == counted[1].upstream == "stable", "the replica that has room"
