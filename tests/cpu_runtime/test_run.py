"""Requests for text on an engine with scripted output."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cpu_runtime.engine.gate import Gate
from cpu_runtime.engine.served import Served
from cpu_runtime.errors import RequestError, engine_unavailable
from cpu_runtime.inference.answers import DONE, events
from cpu_runtime.inference.generation import Generation
from cpu_runtime.inference.run import chunks_of, document_of
from cpu_runtime.models.catalog import Model

Document = dict[str, Any]

ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}], "model": "x"}
END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "model": "x"}
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
LAST = {"choices": [], "usage": USAGE}
CALL = '[{"name": "f", "arguments": {"a": 1}}]'


def text(content: str) -> Document:
    return {
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}],
        "model": "file.gguf",
        "timings": {"ms": 1},
        "system_fingerprint": "b0-unknown",
    }


@dataclass
class Client:
    """In an engine's place. An exception among the chunks is raised."""

    chunks: Sequence[Document | RequestError] = ()
    asked: list[Document] = field(default_factory=list)
    open: int = 0

    @asynccontextmanager
    async def stream(self, path: str, body: Document) -> AsyncIterator[AsyncIterator[Document]]:
        self.asked.append(body)
        self.open += 1
        try:
            yield self._given(f"chatcmpl-{len(self.asked)}")
        finally:
            self.open -= 1

    async def _given(self, identity: str) -> AsyncIterator[Document]:
        for chunk in self.chunks:
            await asyncio.sleep(0)
            if isinstance(chunk, RequestError):
                raise chunk
            yield {**json.loads(json.dumps(chunk)), "id": identity}


def served(client: Client, slots: int = 2) -> Served:
    model = Model("small", ("chat",), Path("small.gguf"), "apache-2.0", 4096)
    return Served(
        model=model,
        client=cast("Any", client),
        gate=Gate("small", slots=slots, max_waiting=8),
        process=cast("Any", SimpleNamespace()),
        context_length=4096,
        dimensions=0,
        created=0,
    )


def request(**fields: Any) -> Generation:
    body = {"path": "/v1/chat/completions", "body": {}, "prompt_field": "messages"}
    return Generation(**{**body, "stream": True, "include_usage": True, **fields})


async def all_of(
    client: Client, asked: Generation | None = None
) -> tuple[list[Document], list[tuple[int, int]]]:
    counted: list[tuple[int, int]] = []
    chunks = chunks_of(asked or request(), served(client), lambda *tokens: counted.append(tokens))
    return [chunk async for chunk in chunks], counted


async def test_every_chunk_carries_the_name_that_clients_know() -> None:
    sent, _ = await all_of(Client([ROLE, text("Hi"), LAST]))

    assert [chunk["model"] for chunk in sent] == ["small"] * 3
    assert sent[0]["choices"][0]["delta"]["content"] == ""
    assert not any({"timings", "system_fingerprint"} & set(chunk) for chunk in sent)


async def test_usage_comes_alone_at_the_end_for_those_who_want_it() -> None:
    async def sent(*, include_usage: bool) -> list[Document]:
        chunks = chunks_of(request(), served(Client([ROLE, text("Hi"), LAST])), lambda *_: None)
        written = [event async for event in events(chunks, include_usage)]
        assert written[-1] == DONE
        return [json.loads(event.removeprefix(b"data: ")) for event in written[:-1]]

    wanted, unwanted = await sent(include_usage=True), await sent(include_usage=False)

    assert wanted[-1]["usage"] == USAGE
    assert wanted[-1]["choices"] == []
    assert wanted[:-1] == unwanted
    assert all("usage" not in chunk for chunk in unwanted)


async def test_usage_in_the_last_chunk_with_text_is_moved_behind_it() -> None:
    sent, _ = await all_of(Client([{**text("Hi"), "usage": USAGE}]))

    assert [chunk.get("usage") for chunk in sent] == [None, USAGE]


async def test_tokens_are_counted_as_they_come_and_made_up_for_at_the_end() -> None:
    _, counted = await all_of(Client([text("a"), text("b"), LAST]))

    assert counted == [(0, 1), (0, 1), (7, 1)]


async def test_several_responses_come_mixed_and_share_their_prompt() -> None:
    client = Client([ROLE, text("a"), END, LAST])
    sent, counted = await all_of(client, request(body={"seed": 5}, choices=3))

    indexes = sorted(chunk["choices"][0]["index"] for chunk in sent[:-1])
    assert indexes == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len({chunk.get("id") for chunk in sent}) == 1
    assert sent[-1]["usage"] == {**USAGE, "completion_tokens": 9, "total_tokens": 16}
    assert [body["seed"] for body in client.asked] == [5, 6, 7]
    assert counted == [(0, 1)] * 3 + [(7, 6)]


async def whole(client: Client, **fields: Any) -> Document:
    return await document_of(request(stream=False, **fields), served(client), lambda *_: None)


async def test_several_whole_responses_are_one_document() -> None:
    document = await whole(Client([ROLE, text("a"), text("b"), END, LAST]), choices=2)

    assert [each["index"] for each in document["choices"]] == [0, 1]
    message = {"role": "assistant", "content": "ab"}
    assert [each["message"] for each in document["choices"]] == [message] * 2
    assert {each["finish_reason"] for each in document["choices"]} == {"stop"}
    assert document["usage"]["completion_tokens"] == 6


async def test_a_whole_response_keeps_what_the_model_thought_and_how_sure_it_was() -> None:
    thought = {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]}
    sure = text("a")
    sure["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": -0.1}]}
    (choice,) = (await whole(Client([ROLE, thought, sure, END, LAST])))["choices"]

    assert choice["message"]["reasoning_content"] == "hm"
    assert choice["logprobs"] == {"content": [{"token": "a", "logprob": -0.1}]}


async def test_a_long_prompt_is_counted_while_it_is_read() -> None:
    def progress(processed: int) -> Document:
        return {**ROLE, "prompt_progress": {"total": 7, "processed": processed}}

    sent, counted = await all_of(Client([progress(2), progress(7), ROLE, text("a"), LAST]))

    assert counted == [(2, 0), (5, 0), (0, 1), (0, 2)]
    assert [len(chunk["choices"]) for chunk in sent] == [0, 0, 1, 1, 0]


async def test_a_failure_of_one_response_ends_all() -> None:
    client = Client([ROLE, engine_unavailable("small")])

    with pytest.raises(RequestError, match="broke off"):
        await all_of(client, request(choices=2))
    assert client.open == 0


async def test_who_stops_listening_frees_the_engine() -> None:
    client = Client([ROLE, *[text("a")] * 50, LAST])
    model = served(client)
    async with aclosing(chunks_of(request(choices=2), model, lambda *_: None)) as chunks:
        await anext(chunks)
        assert client.open == 2
    assert (client.open, model.gate.running, model.gate.waiting) == (0, 0, 0)


async def test_held_calls_become_calls() -> None:
    halves = (CALL[:20], CALL[20:])
    sent, counted = await all_of(
        Client([ROLE, *map(text, halves), END, LAST]), request(holds_calls=True)
    )

    deltas = [choice["delta"] for chunk in sent for choice in chunk["choices"]]
    assert deltas[0] == {"role": "assistant", "content": None}
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert calls[0]["function"]["name"] == "f"
    assert "".join(call["function"]["arguments"] for call in calls) == '{"a": 1}'
    reasons = [choice["finish_reason"] for chunk in sent for choice in chunk["choices"]]
    assert (reasons[-1], set(reasons[1:-1])) == ("tool_calls", {None})
    assert sum(generated for _, generated in counted) == USAGE["completion_tokens"]


async def test_held_calls_of_a_whole_response_become_calls() -> None:
    document = await whole(Client([ROLE, text(CALL), END, LAST]), holds_calls=True)

    (choice,) = document["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "f", "arguments": '{"a": 1}'}
    assert "index" not in call


@pytest.mark.parametrize(
    ("code", "param"), [("context_length_exceeded", "input"), ("invalid_schema", "text.format")]
)
async def test_what_the_engine_refuses_is_blamed_on_the_caller_s_field(
    code: str, param: str
) -> None:
    client = Client([RequestError("No.", code=code)])

    with pytest.raises(RequestError) as refused:
        await all_of(client, request(prompt_field="input", schema_field="text.format"))
    assert refused.value.param == param


async def test_completions_have_ids_of_their_own() -> None:
    chunk = {"object": "text_completion", "choices": [{"index": 0, "text": "a"}]}
    document = await whole(Client([chunk, {**LAST, "object": "text_completion"}]))

    assert (document["id"], document["model"]) == ("cmpl-1", "small")
    assert document["choices"][0]["text"] == "a"
