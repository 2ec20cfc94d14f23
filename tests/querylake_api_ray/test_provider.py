"""Engines that are deployments of a Ray Serve application, as an existing cluster has them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from ray import serve

from llm_provider.config import Timeouts, UpstreamConfig
from llm_provider.errors import (
    StreamInterrupted,
    UpstreamDisconnected,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from querylake_api.upstreams.ray_provider import RayServeProvider

WHOLE = {"object": "chat.completion", "model": "old", "choices": [{"index": 0}]}


def _chunk(text: str | None, finish: str | None = None) -> str:
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return "data: " + json.dumps({"model": "old", "choices": [choice]}) + "\n\n"


@pytest.fixture(scope="module")
def application(cluster: str) -> Iterator[str]:
    """Serve an engine that does what the request's `user` field says."""

    class OldEngine:
        def __init__(self) -> None:
            self.cancelled: dict[str, asyncio.Event] = {}

        def _cancelled(self, seed: str) -> asyncio.Event:
            return self.cancelled.setdefault(seed, asyncio.Event())

        async def create_chat_completion_original(
            self, request: dict[str, Any], raw: object = None
        ) -> AsyncIterator[str]:
            wish = request["user"]
            if wish == "whole":
                yield ">>>>>>>>>>>STANDARD | " + json.dumps(WHOLE)
            elif wish == "tell when cancelled":
                await self._cancelled(request["seed"]).wait()
                yield ">>>>>>>>>>>STANDARD | " + json.dumps(WHOLE)
            elif wish == "error":
                error = {"object": "error", "message": "too long", "code": 400}
                yield ">>>>>>>>>>>ERROR | " + json.dumps(error)
            elif wish == "raise":
                raise ValueError("the tokenizer is gone")
            elif wish == "nonsense":
                yield "hello"
            elif wish == "hang":
                await asyncio.sleep(3600)
            elif wish == "die":
                os._exit(1)
            else:
                yield ">>>>>>>>>>>STREAM"
                yield _chunk("Hel")
                yield _chunk("lo")
                try:
                    if wish == "hang in the middle":
                        await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    self._cancelled(request.get("seed", "")).set()
                    raise
                yield _chunk(None, "stop")
                yield "data: [DONE]\n\n"

    deployment = serve.deployment(name="old-engine", ray_actor_options={"num_cpus": 0})(OldEngine)
    serve.run(deployment.bind(), name="old", route_prefix=None)
    yield "serve://old/old-engine"
    serve.delete("old")


@pytest.fixture
async def engine(application: str) -> AsyncIterator[RayServeProvider]:
    timeouts = Timeouts(first_byte=30.0, idle=30.0)
    provider = RayServeProvider(UpstreamConfig("old", application, timeouts=timeouts))
    yield provider
    await provider.close()


def _impatient(application: str) -> RayServeProvider:
    timeouts = Timeouts(first_byte=1.0, idle=1.0)
    return RayServeProvider(UpstreamConfig("old", application, timeouts=timeouts))


async def _read(provider: RayServeProvider, wish: str) -> list[dict[str, Any]]:
    return await _rest(provider.stream_chat({"user": wish}))


async def _rest(stream: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return [chunk async for chunk in stream]


async def test_a_whole_answer(engine: RayServeProvider) -> None:
    answer = await engine.chat({"user": "whole"})

    assert answer["object"] == "chat.completion"


async def test_a_stream(engine: RayServeProvider) -> None:
    chunks = await _read(engine, "stream")

    texts = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
    assert texts == ["Hel", "lo", None]


async def test_a_caller_s_fault_is_passed_through(engine: RayServeProvider) -> None:
    with pytest.raises(UpstreamRejected) as refused:
        await engine.chat({"user": "error"})

    assert refused.value.status == 400
    assert b"too long" in refused.value.body


async def test_an_exception_is_the_engine_s_failure_without_its_trace(
    engine: RayServeProvider,
) -> None:
    with pytest.raises(UpstreamFailed, match="ValueError: the tokenizer is gone") as failed:
        await engine.chat({"user": "raise"})

    assert "Traceback" not in str(failed.value)


async def test_another_protocol_is_refused(engine: RayServeProvider) -> None:
    with pytest.raises(UpstreamFailed, match="another protocol"):
        await engine.chat({"user": "nonsense"})


async def test_only_chats_have_a_way_through(engine: RayServeProvider) -> None:
    with pytest.raises(UpstreamRejected) as refused:
        await engine.embed({"input": "a"})

    assert refused.value.status == 404


async def test_silence_is_a_timeout(application: str) -> None:
    with pytest.raises(UpstreamTimeout) as before:
        await _impatient(application).chat({"user": "hang"})
    with pytest.raises(UpstreamTimeout) as during:
        await _read(_impatient(application), "hang in the middle")

    assert (before.value.phase, during.value.phase) == ("first_byte", "idle")


async def test_leaving_a_stream_stops_the_engine(engine: RayServeProvider) -> None:
    body = json.dumps({"user": "hang in the middle", "seed": "this one"}).encode()
    async with await engine.relay("POST", "/chat/completions", body=body) as relay:
        await anext(relay.chunks())

    # The engine answers once it has seen that one cancelled; else this is a timeout.
    await engine.chat({"user": "tell when cancelled", "seed": "this one"})


async def test_a_dead_replica_is_told_before_and_in_the_middle(engine: RayServeProvider) -> None:
    stream = engine.stream_chat({"user": "hang in the middle"})
    await anext(stream)

    with pytest.raises(UpstreamDisconnected):
        await engine.chat({"user": "die"})
    with pytest.raises(StreamInterrupted):
        await _rest(stream)


async def test_a_deployment_that_is_not_there(cluster: str) -> None:
    missing = RayServeProvider(UpstreamConfig("none", "serve://none/none"))

    health = await missing.health()
    assert not health.ok
    assert "\n" not in health.detail
    with pytest.raises(UpstreamUnavailable, match="does not exist"):
        await missing.chat({"user": "whole"})
