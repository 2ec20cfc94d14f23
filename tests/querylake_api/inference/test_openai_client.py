"""The official client, as applications use it."""

from __future__ import annotations

import asyncio

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionFunctionToolParam

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api_testing.running import RunningApi


@pytest.fixture
def client(api: RunningApi) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{api.url}/v1", api_key=api.key, max_retries=0)


async def test_chat(client: AsyncOpenAI) -> None:
    completion = await client.chat.completions.create(
        model="default", messages=[{"role": "user", "content": "Count."}]
    )
    assert completion.choices[0].message.content == "one two three"
    assert completion.model == "default"


async def test_streamed_chat(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="org/chatty", messages=[{"role": "user", "content": "Count."}], stream=True
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two three"
    assert {chunk.model for chunk in chunks} == {"org/chatty"}


CALL = {"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": ""}}
PICTURE = "data:image/png;base64,iVBORw0KGgo="
TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


async def test_tools_and_pictures_reach_the_engine_and_calls_come_back_in_pieces(
    client: AsyncOpenAI, engine: ScriptedEngine
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk({"tool_calls": [CALL]})
        for piece in ('{"city":', '"Paris"}'):
            part = {"index": 0, "function": {"arguments": piece}}
            await exchange.chunk({"tool_calls": [part]})
        await exchange.chunk({}, finish_reason="tool_calls")
        await exchange.end_stream()

    engine.script = script
    stream = await client.chat.completions.create(
        model="default",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is the weather there?"},
                    {"type": "image_url", "image_url": {"url": PICTURE}},
                ],
            }
        ],
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        stream=True,
    )
    calls = [
        call
        async for chunk in stream
        for choice in chunk.choices
        for call in choice.delta.tool_calls or ()
    ]
    assert (calls[0].id, calls[0].function and calls[0].function.name) == ("call_1", "weather")
    arguments = [call.function.arguments or "" for call in calls if call.function]
    assert "".join(arguments) == '{"city":"Paris"}'
    sent = engine.requests[0].json()
    assert sent["messages"][0]["content"][1]["image_url"]["url"] == PICTURE
    assert sent["tools"] == [TOOL]
    assert sent["tool_choice"]["function"]["name"] == "weather"


async def test_the_synchronous_client(api: RunningApi) -> None:
    def chat() -> tuple[str | None, str]:
        client = OpenAI(base_url=f"{api.url}/v1", api_key=api.key, max_retries=0)
        whole = client.chat.completions.create(
            model="default", messages=[{"role": "user", "content": "Count."}]
        )
        stream = client.chat.completions.create(
            model="default", messages=[{"role": "user", "content": "Count."}], stream=True
        )
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        return whole.choices[0].message.content, streamed

    assert await asyncio.to_thread(chat) == ("one two three", "one two three")


async def test_embeddings(client: AsyncOpenAI, engine: ScriptedEngine) -> None:
    async def script(exchange: Exchange) -> None:
        vector = {"object": "embedding", "index": 0, "embedding": [0.25, -1.0]}
        await exchange.whole(
            {
                "object": "list",
                "data": [vector],
                "model": "embedder",
                "usage": {"prompt_tokens": 1, "total_tokens": 1},
            }
        )

    engine.script = script
    answer = await client.embeddings.create(
        model="embedder", input=["a lake"], encoding_format="float"
    )
    assert answer.data[0].embedding == [0.25, -1.0]


async def test_models(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == [
        "org/chatty",
        "default",
        "embedder",
        "gone",
    ]
    assert (await client.models.retrieve("org/chatty")).id == "org/chatty"


async def test_errors_arrive_as_the_clients_own(api: RunningApi, client: AsyncOpenAI) -> None:
    async def chat(client: AsyncOpenAI, model: str) -> None:
        await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Count."}]
        )

    with pytest.raises(openai.NotFoundError) as not_found:
        await chat(client, "nope")
    assert (not_found.value.code, not_found.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError):
        await chat(client, "embedder")
    with pytest.raises(openai.AuthenticationError):
        await chat(client.with_options(api_key="sk-wrong"), "default")
    with pytest.raises(openai.PermissionDeniedError):
        await chat(client.with_options(api_key=api.admin_key), "default")
    with pytest.raises(openai.InternalServerError) as unavailable:
        await chat(client, "gone")
    assert unavailable.value.code == "upstream_unavailable"
    assert unavailable.value.request_id


async def test_a_broken_stream_raises(client: AsyncOpenAI, engine: ScriptedEngine) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.token("one")
        await exchange.piece(b'data: {"cho')
        exchange.hang_up()

    engine.script = script
    stream = await client.chat.completions.create(
        model="default", messages=[{"role": "user", "content": "Count."}], stream=True
    )
    chunks = aiter(stream)
    assert (await anext(chunks)).choices[0].delta.content == "one"
    with pytest.raises(openai.APIError, match="ended the answer before it was complete"):
        await anext(chunks)
