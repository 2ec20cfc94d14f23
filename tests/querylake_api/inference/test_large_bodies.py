"""Large bodies are understood in steps, between which others get their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from llm_provider.top_level import TopLevelScan
from llm_provider_testing.scripted_engine import ScriptedEngine
from querylake_api.errors import ApiError
from querylake_api.http_server.asgi import Message
from querylake_api.http_server.asgi_exchange import AsgiExchange
from querylake_api.inference.call import parse_body
from querylake_api.inference.inputs import check_inputs
from querylake_api.inference.large_body import LARGE_BYTES, in_turns, places_in, prompt_tokens_of
from querylake_api.inference.rerank import understood
from querylake_api.inference.routes import ENDPOINTS
from querylake_api.limits.estimate import STEP_PARTS, PromptEstimate
from querylake_api.requests.body import MAX_DENSE_BYTES, read_body
from querylake_api.settings import ServerSettings
from querylake_api_testing.loop_holds import frozen_heap, longest_hold
from querylake_api_testing.running import running_api, write_config_of_one_model

SERVER = ServerSettings()
LARGEST = SERVER.max_body_bytes - 100
VALUES = SERVER.max_json_values - 100
GENEROUS = 0.25
"""Seconds of processor time that the loop may be held in these tests: five times what is promised,
since they run interpreted, on machines that do other things besides."""

CHAT = b'{"messages":[{"content":%b}],"model":"m"}'
EMBED = b'{"input":[%b],"model":"m"}'
BODIES = {
    "file in base64": CHAT % (b'"data:' + b"A" * (LARGEST - 60) + b'"'),
    "escaped text": CHAT % (b'"' + rb"\n" * (MAX_DENSE_BYTES // 2 - 600_000) + b'"'),
    "text beyond ASCII": CHAT % (b'"' + "a😀".encode() * (MAX_DENSE_BYTES // 5 - 300_000) + b'"'),
    "many texts": EMBED % b",".join([b'"%b"' % (b"x" * (LARGEST // VALUES - 4))] * VALUES),
    "many short texts": EMBED % b",".join([b'"x y"'] * VALUES),
    "many objects": EMBED % b",".join([b'{"text":"x"}'] * (VALUES // 3)),
    "many lists": EMBED % b",".join([b"[1]"] * (VALUES // 2)),
    "many names": b'{%b,"model":"m"}' % b",".join([b'"%d":1' % i for i in range(VALUES // 2)]),
    "model many times": b"{%b}" % b",".join([b'"model":"m"'] * (VALUES // 2)),
    "all at once": b'{"model":"m","input":[%b],"text":"%b","file":"%b"}'
    % (
        b",".join([b"[" * 500 + b"]" * 500] * (VALUES // 501 - 1)),
        rb"\n" * (MAX_DENSE_BYTES // 2 - 700_000),
        b"A" * (LARGEST - MAX_DENSE_BYTES + 1_000_000),
    ),
    "blanks": b'{"model":"m",' + b" " * (LARGEST - 30) + b'"a":1}',
}


async def read(body: bytes) -> bytes:
    """Read a body that is there already, within the default limits."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    return await read_body(
        AsgiExchange({"headers": []}, receive, send),
        limit=SERVER.max_body_bytes,
        seconds=60,
        max_values=SERVER.max_json_values,
    )


async def understand(body: bytes) -> None:
    """Do to a body what a request's life does, up to where it is sent on."""
    for endpoint in ENDPOINTS:
        if endpoint.path in ("/v1/embeddings", "/v1/rerank"):
            wish = parse_body(await read(body), endpoint)
            await asyncio.sleep(0)
            check_inputs(wish.body, "input")
            places = await places_in(body)
            understood(body, wish.body, places)
            await asyncio.sleep(0)
            await prompt_tokens_of(wish.body)


@pytest.fixture
def _frozen_heap() -> Iterator[None]:
    with frozen_heap():
        yield


@pytest.mark.usefixtures("_frozen_heap")
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_no_large_body_holds_the_loop(body: bytes) -> None:
    assert len(body) <= SERVER.max_body_bytes
    # The best of three: fresh memory, and caches that other programs fill, cost time of ours.
    held = min([await longest_hold(asyncio.create_task(understand(body))) for _ in range(3)])
    print(f"held for {held * 1e3:.0f} ms")
    assert held < GENEROUS


@pytest.mark.parametrize("text", [rb"\n" * 5_000_000, "漢".encode() * 3_000_000])
async def test_text_that_takes_long_to_parse_is_refused(text: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        await read(CHAT % (b'"' + text + b'"'))
    assert caught.value.status == 413
    assert str(MAX_DENSE_BYTES) in str(caught.value)


async def test_one_character_beyond_ascii_refuses_no_file() -> None:
    body = CHAT % ('"ö' + "A" * 20_000_000 + '"').encode()
    assert await read(body) == body


async def test_estimates_are_made_in_steps() -> None:
    estimate = PromptEstimate({"input": ["abcd"] * (5 * STEP_PARTS)})
    steps = 0

    def step() -> bool:
        nonlocal steps
        steps += 1
        return estimate.step()

    turns = 0

    async def another() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(another())
    await in_turns(step)
    others.cancel()
    assert steps == 6
    assert turns >= 5
    assert estimate.tokens == 5 * STEP_PARTS


@pytest.mark.parametrize(
    "options", [b"", b'"stream_options":null,', b'"stream_options":{"include_usage":false},']
)
async def test_a_large_request_is_changed_as_a_small_one(
    tmp_path: Path, database_url: str, engine: ScriptedEngine, options: bytes
) -> None:
    config = write_config_of_one_model(tmp_path, database=database_url, engine=engine.url)
    padding = b"x" * LARGE_BYTES
    form = (
        b'{"mod\\u0065l":"forbidden","messages":[{"role":"user","content":"\\"}%b"}],%b'
        b'"stream":true,"model" : "m"}'
    )
    async with running_api(config) as api:
        for pad in (b"", padding):
            response = await api.client.post(
                "/v1/chat/completions", content=form % (pad, options), headers=api.headers()
            )
            assert response.status_code == 200, response.text
    small, large = (each.body for each in engine.requests if each.method == "POST")
    assert large.replace(padding, b"") == small
    assert b"forbidden" not in large
    assert orjson.loads(large)["stream_options"] == {"include_usage": True}


def test_documents_of_a_large_request_become_texts() -> None:
    body = b'{"documents":[{"text":"a"}, "b"],"x":[1, 2],"model":"m"}'
    scan = TopLevelScan(body, ("documents",))
    while scan.step():
        pass
    assert understood(body, orjson.loads(body), scan.places) == understood(
        body, orjson.loads(body), None
    )
