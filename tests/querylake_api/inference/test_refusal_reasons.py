"""The reason of a refusal reaches the caller, in whatever shape an engine gives it."""

from __future__ import annotations

import json

import pytest

from llm_provider_testing.scripted_engine import Script, answering
from querylake_api_testing.odd_engines import ask
from querylake_api_testing.several_engines import Replicas

REASONS: dict[str, tuple[Script, str]] = {
    "text": (
        answering(b"prompt too long: 9000 > 4096", status=400, content_type="text/plain"),
        "prompt too long: 9000 > 4096",
    ),
    "message": (answering({"message": "prompt too long", "code": 400}, status=400), "too long"),
    "fields": (
        answering({"detail": [{"loc": ["body", "messages"], "msg": "Field required"}]}, status=422),
        "messages: Field required",
    ),
    "detail": (answering({"detail": "prompt too long"}, status=400), "prompt too long"),
    "nested": (
        answering({"error": {"message": {"text": "prompt too long"}, "code": "x"}}, status=400),
        "prompt too long",
    ),
    "Mistral": (
        answering(
            {
                "object": "error",
                "message": {"detail": [{"loc": ["body", "top_p"], "msg": "too large"}]},
                "type": "invalid_request_error",
            },
            status=422,
        ),
        "top_p: too large",
    ),
    "Ollama": (answering({"error": "prompt too long"}, status=400), "prompt too long"),
    "problem": (
        answering(
            {"type": "about:blank", "title": "Bad", "status": 400, "detail": "prompt too long"},
            status=400,
        ),
        "prompt too long",
    ),
    "list": (answering({"errors": [{"message": "prompt too long"}]}, status=400), "too long"),
    "a page": (
        answering(b"<html><title>413 Request Entity Too Large</title>", status=413),
        "413 Request Entity Too Large",
    ),
    "deep": (
        answering(
            {"error": {"message": "no", "deep": json.loads("[" * 300 + "]" * 300)}}, status=400
        ),
        "no",
    ),
}


@pytest.mark.parametrize("name", REASONS)
async def test_the_reason_of_a_refusal_reaches_the_caller(alone: Replicas, name: str) -> None:
    alone.engines[0].script, reason = REASONS[name]
    for stream in (False, True):
        response = await ask(alone, stream=stream)
        assert 400 <= response.status_code < 500
        error = response.json()["error"]
        assert reason in error["message"]
        assert set(error) >= {"message", "type", "param", "code"}
    assert (await alone.upstream("e0"))["breaker"] == "closed"
