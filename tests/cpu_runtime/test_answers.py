"""llama.cpp's chunks, as OpenAI's clients expect them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from cpu_runtime.inference.answers import DONE, events, whole

ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}], "model": "x"}
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def _text(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}}], "model": "file.gguf"}


async def _all(
    chunks: Sequence[dict[str, Any]], *, include_usage: bool
) -> tuple[list[Any], list[tuple[int, int]]]:
    async def given() -> AsyncIterator[dict[str, Any]]:
        for chunk in chunks:
            yield json.loads(json.dumps(chunk))

    counted: list[tuple[int, int]] = []
    sent = [
        event
        async for event in events(
            given(), "small", include_usage, lambda *tokens: counted.append(tokens)
        )
    ]
    assert sent[-1] == DONE
    return [json.loads(event.removeprefix(b"data: ")) for event in sent[:-1]], counted


async def test_every_chunk_carries_the_name_that_was_asked_for() -> None:
    sent, _ = await _all([ROLE, _text("Hi")], include_usage=False)

    assert [chunk["model"] for chunk in sent] == ["small", "small"]
    assert sent[0]["choices"][0]["delta"]["content"] == ""


async def test_usage_comes_alone_at_the_end_for_those_who_want_it() -> None:
    chunks = [ROLE, _text("Hi"), {**_text(""), "usage": USAGE, "timings": {"ms": 1}}]

    wanted, _ = await _all(chunks, include_usage=True)
    unwanted, _ = await _all(chunks, include_usage=False)

    assert wanted[-1]["usage"] == USAGE
    assert wanted[-1]["choices"] == []
    assert wanted[:-1] == unwanted
    assert all("usage" not in chunk and "timings" not in chunk for chunk in unwanted)


async def test_tokens_are_counted_as_they_come_and_made_up_for_at_the_end() -> None:
    _, counted = await _all(
        [_text("a"), _text("b"), {"choices": [], "usage": USAGE}], include_usage=False
    )

    assert counted == [(0, 1), (0, 1), (7, 1)]


def test_a_whole_answer_is_tidied() -> None:
    counted: list[tuple[int, int]] = []
    answer = whole(
        {"object": "text_completion", "id": "chatcmpl-1", "timings": {}, "usage": USAGE},
        "small",
        lambda *tokens: counted.append(tokens),
    )

    document = json.loads(answer)
    assert (document["id"], document["model"]) == ("cmpl-1", "small")
    assert "timings" not in document
    assert counted == [(7, 3)]
