"""A replica that is the wrong one is left out, and costs nobody anything."""

from __future__ import annotations

import pytest

from llm_provider_testing.scripted_engine import Script, answer_chat, answering
from querylake_api_testing.odd_engines import DONE, RESPONSES, TIMES, ask
from querylake_api_testing.several_engines import Replicas

NOT_FOUND = {"error": {"message": "The model `M` does not exist.", "code": 404}}
UNFIT: dict[str, Script] = {
    "redirect": answering(b"", status=307, headers={"location": "http://127.0.0.1:1/v1"}),
    "no route": answering({"detail": "Not Found"}, status=404),
    "no model": answering(NOT_FOUND, status=404),
    "no model, in OpenAI's word": answering(
        {"error": {"message": "unknown", "code": "model_not_found"}}, status=404
    ),
    "no model, as LiteLLM has it": answering(
        {"error": {"message": "Invalid model name passed in model=M", "code": "400"}}, status=400
    ),
    "Ollama": answering({"error": 'model "M" not found, try pulling it first'}, status=404),
    "a proxy's page": answering(b"<html><title>404 Not Found</title></html>", status=404),
    "no such method": answering({"detail": "Method Not Allowed"}, status=405),
    "not offered": answering({"error": {"message": "no"}}, status=501),
    "another key": answering({"error": {"message": "no"}}, status=401),
}


@pytest.mark.parametrize("name", UNFIT)
async def test_a_replica_that_is_the_wrong_one_costs_nobody_anything(
    pair: Replicas, name: str
) -> None:
    wrong, well = pair.engines
    wrong.script = UNFIT[name]
    for _ in range(TIMES):
        assert (await ask(pair, stream=False)).status_code == 200
    assert 1 <= len(wrong.requests) <= 3
    assert len(well.requests) == TIMES
    state = await pair.upstream("e0")
    assert (state["breaker"], state["condition"]) == ("closed", "up")
    ready = (await pair.api.client.get("/readyz")).json()
    assert ready["status"] == "degraded"
    assert "left out for model M at /chat/completions" in ready["upstreams"]["e0"]["detail"]
    [told] = [line for line in pair.api.log_lines() if "is left out" in line["event"]]
    assert "upstream e0" in told["event"]


@pytest.mark.parametrize("name", UNFIT)
async def test_alone_a_wrong_one_is_the_operators_to_mend(alone: Replicas, name: str) -> None:
    alone.engines[0].script = UNFIT[name]
    for _ in range(TIMES):
        response = await ask(alone, stream=False)
        assert response.status_code == 502
        assert response.json()["error"]["type"] == "upstream_error"
    assert (await alone.upstream("e0"))["breaker"] == "closed"


async def test_a_wrong_replica_comes_back_by_itself(
    pair: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("querylake_api.upstreams.misfits.FIRST_PAUSE_SECONDS", 0.0)
    wrong, _ = pair.engines
    wrong.script = UNFIT["no route"]
    assert (await ask(pair, stream=False)).status_code == 200
    wrong.script = answer_chat
    for _ in range(4):
        assert (await ask(pair, stream=False)).status_code == 200
    assert len(wrong.requests) >= 2
    assert (await pair.api.client.get("/readyz")).json()["status"] == "ready"


async def test_what_a_404_says_of_something_else_is_the_callers(alone: Replicas) -> None:
    told = {"error": {"message": "Response with id 'resp_1' not found.", "code": 404}}
    alone.engines[0].script = answering(told, status=404)
    response = await ask(alone, RESPONSES, stream=False)
    assert (response.status_code, response.json()["error"]["message"]) == (
        404,
        told["error"]["message"],
    )


async def test_a_whole_answer_is_no_stream(pair: Replicas) -> None:
    pair.engines[0].script = answering({"object": "chat.completion", "choices": []})
    for _ in range(TIMES):
        response = await ask(pair)
        assert response.status_code == 200
        assert response.content.endswith(DONE)
    pair.engines[1].script = pair.engines[0].script
    assert (await ask(pair)).status_code == 502
    assert (await pair.upstream("e0"))["breaker"] == "closed"
