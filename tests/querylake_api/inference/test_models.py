"""`/v1/models`."""

from __future__ import annotations

from querylake_api_testing.running import RunningApi


async def test_ids_and_aliases_are_listed(api: RunningApi) -> None:
    listed = (await api.get("/v1/models")).json()
    assert listed["object"] == "list"
    assert [(each["id"], each["root"]) for each in listed["data"]] == [
        ("org/chatty", "org/chatty"),
        ("default", "org/chatty"),
        ("embedder", "embedder"),
        ("gone", "gone"),
    ]
    assert listed["data"][2] == {
        "id": "embedder",
        "object": "model",
        "created": listed["data"][2]["created"],
        "owned_by": "querylake",
        "root": "embedder",
        "capabilities": ["embeddings", "rerank"],
    }


async def test_one_model_by_id_with_a_slash_and_by_alias(api: RunningApi) -> None:
    for path in ("/v1/models/org/chatty", "/v1/models/org%2Fchatty"):
        assert (await api.get(path)).json()["id"] == "org/chatty"
    assert (await api.get("/v1/models/default")).json()["root"] == "org/chatty"


async def test_an_unknown_model(api: RunningApi) -> None:
    response = await api.get("/v1/models/org/nope")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"
    assert "org/chatty, default, embedder, gone" in response.json()["error"]["message"]


async def test_what_a_key_may_not_use_is_not_there_for_it(api: RunningApi) -> None:
    narrow = {"name": "narrow", "models": ["embedder"]}
    key = (await api.post("/admin/keys", narrow, key=api.admin_key)).json()["key"]
    assert [each["id"] for each in (await api.get("/v1/models", key=key)).json()["data"]] == [
        "embedder"
    ]
    for name in ("org/chatty", "default"):
        response = await api.get(f"/v1/models/{name}", key=key)
        assert response.status_code == 403
        assert response.json()["error"]["code"] == "model_not_allowed"
        assert "gone" not in response.text


async def test_a_key_is_needed(api: RunningApi) -> None:
    response = await api.client.get("/v1/models")
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "missing_api_key"
    assert (await api.get("/v1/models", key=api.admin_key)).status_code == 403


async def test_nothing_about_engines_shows(api: RunningApi) -> None:
    text = (await api.get("/v1/models")).text
    assert "Real/Chatty-7B" not in text
    assert "127.0.0.1" not in text
