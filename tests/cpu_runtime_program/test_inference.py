"""Real models through the built program, over HTTP."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest

from e2e_testing.cpu_engine import CpuEngine

CHAT = "smollm2-135m-instruct"
EMBED = "all-minilm-l6-v2"
TOKENS = [101, 1037, 4937, 25126, 1012, 102]
"""What its tokenizer makes of `A cat sleeps.`"""

QUESTION = {
    "model": CHAT,
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "temperature": 0,
    "max_tokens": 30,
}


def _post(engine: CpuEngine, path: str, **body: Any) -> dict[str, Any]:
    answer = engine.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_a_chat_is_answered_with_its_usage(engine: CpuEngine) -> None:
    answer = _post(engine, "/v1/chat/completions", **QUESTION)

    assert "Paris" in answer["choices"][0]["message"]["content"]
    usage = answer["usage"]
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"]


def test_a_stream_says_the_same_in_pieces(engine: CpuEngine) -> None:
    body = {**QUESTION, "stream": True, "stream_options": {"include_usage": True}}
    with engine.client.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        data = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert data[-1] == "[DONE]"
    chunks = [json.loads(each) for each in data[:-1]]
    whole = _post(engine, "/v1/chat/completions", **QUESTION)

    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    assert text == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "stop"


def test_a_completion_stops_where_it_is_told(engine: CpuEngine) -> None:
    answer = _post(
        engine, "/v1/completions", model=CHAT, prompt="1, 2, 3, 4,", max_tokens=20, stop=[" 6"]
    )

    assert answer["choices"][0]["text"].strip().startswith("5")
    assert "6" not in answer["choices"][0]["text"]


def test_vectors_are_the_same_in_both_encodings_and_for_tokens_batches_and_singles(
    engine: CpuEngine,
) -> None:
    texts = ["A cat sleeps.", "The rate rose."]
    batch = _post(engine, "/v1/embeddings", model=EMBED, input=texts)
    coded = _post(engine, "/v1/embeddings", model=EMBED, input=texts[0], encoding_format="base64")
    tokens = _post(engine, "/v1/embeddings", model=EMBED, input=TOKENS, dimensions=384)

    one, other = (entry["embedding"] for entry in batch["data"])
    raw = base64.b64decode(coded["data"][0]["embedding"])
    assert struct.unpack(f"<{len(one)}f", raw) == pytest.approx(one, abs=1e-3)
    assert tokens["data"][0]["embedding"] == pytest.approx(one, abs=1e-3)
    assert sum(a * b for a, b in zip(one, other, strict=True)) < 0.5
    assert batch["usage"]["prompt_tokens"] > 0


def test_rerank_orders_and_says_how(engine: CpuEngine) -> None:
    answer = _post(
        engine,
        "/v1/rerank",
        model=EMBED,
        query="Where do cats sleep?",
        documents=["The rate rose by 2%.", {"text": "A cat sleeps on the sofa."}, "Cats purr."],
        top_n=2,
        return_documents=False,
    )

    assert [result["index"] for result in answer["results"]] == [1, 2]
    assert answer["method"] == "bi-encoder-cosine"
    assert "document" not in answer["results"][0]


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/v1/chat/completions", {**QUESTION, "model": "gpt-7"}, 404, "model"),
        ("/v1/chat/completions", {**QUESTION, "model": EMBED}, 400, "model"),
        ("/v1/chat/completions", {**QUESTION, "temperature": 9}, 400, "temperature"),
        (
            "/v1/chat/completions",
            {**QUESTION, "messages": [{"role": "user", "content": "word " * 9000}]},
            400,
            "messages",
        ),
        ("/v1/embeddings", {"model": EMBED, "input": []}, 400, "input"),
        ("/v1/embeddings", {"model": EMBED, "input": "a", "dimensions": 8}, 400, "dimensions"),
        ("/v1/rerank", {"model": EMBED, "query": "a", "documents": [1]}, 400, "documents"),
    ],
)
def test_callers_mistakes_are_named(
    engine: CpuEngine, path: str, body: dict[str, Any], status: int, param: str
) -> None:
    answer = engine.client.post(path, json=body)

    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["param"] == param
    assert error["message"].endswith(".")


def test_a_body_that_is_no_json_is_refused(engine: CpuEngine) -> None:
    answer = engine.client.post("/v1/chat/completions", content=b"{nonsense")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


def test_only_the_engine_s_own_key_opens_it(engine: CpuEngine) -> None:
    for headers in ({"authorization": "Bearer wrong"}, {"authorization": ""}):
        assert engine.client.get("/v1/models", headers=headers).status_code == 401
    assert engine.client.get("/health", headers={"authorization": ""}).status_code == 200


def test_the_models_are_listed_and_found_by_name(engine: CpuEngine) -> None:
    listed = engine.client.get("/v1/models").json()["data"]

    assert [model["id"] for model in listed] == [CHAT, EMBED]
    assert engine.client.get(f"/v1/models/{EMBED}").json()["dimensions"] == 384
    assert engine.client.get("/v1/models/none").status_code == 404


def test_metrics_count_tokens_and_requests(engine: CpuEngine) -> None:
    def generated() -> float:
        text = engine.client.get("/metrics").text
        wanted = f'cpu_runtime_generation_tokens_total{{model="{CHAT}"}} '
        line = next(line for line in text.splitlines() if line.startswith(wanted))
        return float(line.removeprefix(wanted))

    before = generated()
    answer = _post(engine, "/v1/chat/completions", **QUESTION)

    assert generated() - before == answer["usage"]["completion_tokens"]


def test_odd_fields_of_a_request_are_the_caller_s(engine: CpuEngine) -> None:
    deep, deepest, deeper = ("[" * depth + "]" * depth for depth in (300, 1023, 1024))
    hello = '{"role": "user", "content": "Hello."'
    cases: list[tuple[str, str, int]] = [
        *((f"{hello}, {null}: null}}", "1", 200) for null in ('"name"', '"tool_call_id"')),
        (f'{hello}, "tool_calls": [{{"id": null, "function": null}}]}}', "1", 200),
        (f'{hello}, "name": 5}}', "1", 400),
        (f"{hello}}}", deep, 200),
        (f"{hello}}}", deepest, 200),
        (f"{hello}}}", deeper, 400),
        (f'{hello}}}], "reasoning_format": 5, "x": [1', "1", 400),
    ]
    for message, unknown, status in cases:
        body = f'{{"model": "{CHAT}", "max_tokens": 1, "y": {unknown}, "messages": [{message}]}}'
        answer = engine.client.post("/v1/chat/completions", content=body)
        assert answer.status_code == status, (message, answer.text)
