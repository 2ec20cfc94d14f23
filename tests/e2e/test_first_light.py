"""A real model through the built programs, asked by the official client."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from e2e_testing.stack import CHAT_MODEL, EMBEDDING_MODEL, Stack

QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "What is the capital of France?"}
]


def test_a_chat(stack: Stack) -> None:
    answer = stack.client().chat.completions.create(
        model="default", messages=QUESTION, temperature=0, max_tokens=40
    )
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.model == "default"
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


def test_a_streamed_chat_with_usage(stack: Stack) -> None:
    stream = stack.client().chat.completions.create(
        model=CHAT_MODEL,
        messages=QUESTION,
        temperature=0,
        max_tokens=40,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "Paris" in text
    assert {chunk.model for chunk in chunks} == {CHAT_MODEL}
    assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in chunks) > 3
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0


def test_embeddings_mean_something(stack: Stack) -> None:
    texts = ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "The rate rose by 2%."]
    answer = stack.client().embeddings.create(model=EMBEDDING_MODEL, input=texts)
    cat, kitten, rate = (item.embedding for item in answer.data)
    assert len(cat) == 384
    assert math.isclose(math.hypot(*cat), 1.0, rel_tol=1e-3)
    assert similarity(cat, kitten) > similarity(cat, rate) + 0.3


def similarity(one: list[float], other: list[float]) -> float:
    """Return the cosine of two vectors of length 1."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_rerank_says_how_it_judges(stack: Stack) -> None:
    body = {
        "model": EMBEDDING_MODEL,
        "query": "Where do cats sleep?",
        "documents": ["The rate rose by 2%.", "A cat sleeps on the sofa."],
        "top_n": 1,
    }
    request = urllib.request.Request(
        f"{stack.url}/v1/rerank",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {stack.key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    assert [result["index"] for result in answer["results"]] == [1]
    assert "bi-encoder" in json.dumps(answer)


def test_the_models_are_listed_with_their_aliases(stack: Stack) -> None:
    names = [model.id for model in stack.client().models.list()]
    assert names == [CHAT_MODEL, "default", EMBEDDING_MODEL]


def test_callers_mistakes_are_openai_errors(stack: Stack) -> None:
    with pytest.raises(openai.AuthenticationError):
        stack.client("sk-" + "0" * 48).models.list()
    with pytest.raises(openai.NotFoundError, match=CHAT_MODEL):
        stack.client().chat.completions.create(model="gpt-7", messages=QUESTION)
    with pytest.raises(openai.BadRequestError, match="does not support embeddings"):
        stack.client().embeddings.create(model=CHAT_MODEL, input="a")
    with pytest.raises(openai.BadRequestError, match="temperature"):
        stack.client().chat.completions.create(model="default", messages=QUESTION, temperature=9)


def test_the_client_s_key_is_not_the_engine_s(stack: Stack) -> None:
    request = urllib.request.Request(
        f"{stack.runtime_url}/v1/models", headers={"Authorization": f"Bearer {stack.key}"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 401
