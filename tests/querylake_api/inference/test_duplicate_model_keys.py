"""A request that names several models: the engine sees the one that was allowed, and no other."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from llm_provider_testing.scripted_engine import ScriptedEngine
from querylake_api_testing.running import running_api, write_config_of_one_model


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"forbidden","messages":[],"model":"m"}',
        b'{"mod\\u0065l":"forbidden","messages":[],"model":"m"}',
        b'{"\\u006dodel":"forbidden","model" : "m","messages":[]}',
    ],
)
async def test_every_model_key_names_the_target(
    tmp_path: Path, database_url: str, engine: ScriptedEngine, body: bytes
) -> None:
    # The engine's name is the one that clients use, so there seems to be nothing to rewrite.
    config = write_config_of_one_model(tmp_path, database=database_url, engine=engine.url)
    async with running_api(config) as api:
        response = await api.client.post(
            "/v1/chat/completions", content=body, headers=api.headers()
        )
        assert response.status_code == 200, response.text
    [sent] = [each for each in engine.requests if each.method == "POST"]
    assert b"forbidden" not in sent.body
    assert orjson.loads(sent.body)["model"] == "m"
