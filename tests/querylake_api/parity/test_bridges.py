"""Fields under their former names: bridged where that is configured, counted, and shown."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, scripted_engine
from querylake_api.parity.bridges import bridged_request, response_rewrite
from querylake_api.settings import Bridge
from querylake_api_testing.rollout_stage import stage_config
from querylake_api_testing.running import RunningApi, running_api

ALL: tuple[Bridge, ...] = ("guided_json", "guided_choice", "reasoning_content")
SCHEMA = {"type": "object"}


def sent(body: object, *bridges: Bridge) -> tuple[Any, list[Bridge]]:
    told, used = bridged_request(json.dumps(body).encode(), bridges)
    return json.loads(told), used


def test_guided_fields_become_structured_outputs() -> None:
    told, used = sent({"guided_json": SCHEMA, "model": "m"}, *ALL)
    assert told == {"model": "m", "structured_outputs": {"json": SCHEMA}}
    assert used == ["guided_json"]


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m"},
        {"guided_json": None},
        {"guided_json": SCHEMA, "structured_outputs": {"json": {}}},
        {"guided_json": SCHEMA, "structured_outputs": "what"},
        {"guided_regex": "[0-9]"},
        {"messages": "guided_json"},
        {"messages": [{"content": '"guided_json"'}]},
        {"messages": [{"reasoning_content": "a", "reasoning": "b"}]},
    ],
)
def test_what_needs_no_bridge_stays_as_it_is(body: dict[str, object]) -> None:
    assert sent(body, *ALL) == (body, [])


def test_earlier_thoughts_get_their_new_name_too() -> None:
    told, used = sent({"messages": [{"reasoning_content": "hm"}, {"content": "x"}]}, *ALL)
    assert told["messages"] == [{"reasoning_content": "hm", "reasoning": "hm"}, {"content": "x"}]
    assert used == ["reasoning_content"]


@given(st.binary(max_size=60))
def test_events_that_are_none_of_ours_pass_untouched(block: bytes) -> None:
    rewrite = response_rewrite(ALL)
    assert rewrite is not None
    assert rewrite(block) == block
    assert response_rewrite(["guided_json"]) is None


async def answer(exchange: Exchange) -> None:
    """Answer as vLLM does since 0.16."""
    thoughts = {"role": "assistant", "reasoning": "I think.", "content": "Paris."}
    if not exchange.request.json().get("stream"):
        choice: dict[str, object] = {"index": 0, "finish_reason": "stop", "message": thoughts}
        await exchange.whole({"id": "x", "model": "m", "choices": [choice]})
        return
    await exchange.begin_stream()
    events: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in ({"role": "assistant", "content": ""}, {"reasoning": "I"}, {"content": "P"})
    ]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    text = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    # In pieces that end within events.
    for start in range(0, len(text), 37):
        await exchange.piece(text[start : start + 37])
    await exchange.piece(b"data: [DONE]\n\n")
    await exchange.end_stream()


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedEngine]:
    async with scripted_engine() as engine:
        engine.script = answer
        yield engine


@pytest.fixture
async def api(
    tmp_path: Path, database_url: str, engine: ScriptedEngine
) -> AsyncIterator[RunningApi]:
    config = stage_config(tmp_path, database_url, engine.url, engine.url)
    text = config.read_text()
    line = 'capabilities = ["chat"]'
    assert line in text
    bridges = 'bridges = ["guided_json", "reasoning_content"]'
    config.write_text(text.replace(line, f"{line}\n{bridges}"))
    async with running_api(config) as running:
        yield running


async def test_a_request_over_a_bridge_says_so_and_is_counted(
    api: RunningApi, engine: ScriptedEngine
) -> None:
    body = {"model": "chatty", "messages": [], "guided_json": SCHEMA}
    told = await api.post("/v1/chat/completions", body)
    assert told.headers["x-querylake-bridged"] == "guided_json"
    message = told.json()["choices"][0]["message"]
    assert message["reasoning"] == message["reasoning_content"] == "I think."
    asked = engine.requests[-1].json()
    assert asked["structured_outputs"] == {"json": SCHEMA}
    assert "guided_json" not in asked
    plain = await api.post("/v1/chat/completions", {"model": "chatty", "messages": []})
    assert "x-querylake-bridged" not in plain.headers
    text = (await api.client.get("/metrics")).text
    [line] = [each for each in text.splitlines() if each.startswith("querylake_bridged_requests_t")]
    assert 'bridge="guided_json"' in line
    assert float(line.split()[-1]) == 1


async def test_a_stream_has_both_names(api: RunningApi) -> None:
    body = {"model": "chatty", "messages": [], "stream": True}
    told = await api.post("/v1/chat/completions", body)
    assert told.text.endswith("data: [DONE]\n\n")
    lines = [line[6:] for line in told.text.splitlines() if line.startswith("data: {")]
    deltas = [json.loads(line)["choices"][0]["delta"] for line in lines]
    assert deltas[1] == {"reasoning": "I", "reasoning_content": "I"}
    assert deltas[2] == {"content": "P"}
