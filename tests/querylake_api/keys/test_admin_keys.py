"""`/admin/keys`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from querylake_api_testing.databases import TestPostgres
from querylake_api_testing.key_looks import KeyLooks
from querylake_api_testing.running import RunningApi

CHAT = {"model": "default", "messages": []}


async def created(api: RunningApi, **fields: object) -> dict[str, Any]:
    response = await api.post("/admin/keys", {"name": "n", **fields}, key=api.admin_key)
    assert response.status_code == 201
    document: dict[str, Any] = response.json()
    return document


async def test_the_life_of_a_key(api: RunningApi) -> None:
    key = await created(api, name="team", scopes=["inference"], models=["default"])
    assert key["models"] == ["org/chatty"]
    assert (await api.post("/v1/chat/completions", CHAT, key=key["key"])).status_code == 200

    listed = (await api.get("/admin/keys", key=api.admin_key)).json()
    assert listed["data"][0]["id"] == key["id"]
    assert listed["data"][0]["hint"] == "sk-..." + key["key"][-4:]
    assert key["key"] not in str(listed)

    revoked = await api.client.delete(
        f"/admin/keys/{key['id']}", headers=api.headers(api.admin_key)
    )
    assert revoked.status_code == 200
    assert revoked.json()["revoked_at"] is not None
    assert (await api.post("/v1/chat/completions", CHAT, key=key["key"])).status_code == 401
    again = await api.client.delete(f"/admin/keys/{key['id']}", headers=api.headers(api.admin_key))
    assert again.json() == revoked.json()


async def test_a_key_revoked_behind_our_back_stops_within_a_second(
    api: RunningApi, postgres: TestPostgres, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next look, of which there are three in a second; see `test_key_ring`."""
    key = await created(api)
    looks = KeyLooks(monkeypatch)
    await postgres.execute(database_url, "UPDATE api_keys SET revoked_at = now() WHERE name = 'n'")
    revoked = begun = looks.begun
    while (await api.post("/v1/chat/completions", CHAT, key=key["key"])).status_code != 401:
        assert begun <= revoked + 1, "there was another look before this one was let in"
        await asyncio.sleep(0.02)
        begun = looks.begun


async def test_an_expired_key(api: RunningApi) -> None:
    key = await created(api, expires_in_days=1e-9)
    response = await api.post("/v1/chat/completions", CHAT, key=key["key"])
    assert (response.status_code, response.json()["error"]["code"]) == (401, "expired_api_key")


async def test_pages(api: RunningApi) -> None:
    ids = [(await created(api))["id"] for _ in range(3)]
    first = (await api.get("/admin/keys?limit=2", key=api.admin_key)).json()
    assert (first["has_more"], first["last_id"]) == (True, ids[1])
    rest = await api.get(f"/admin/keys?limit=2&after={ids[1]}", key=api.admin_key)
    assert rest.json()["data"][0]["id"] == ids[0]


async def test_administration_needs_its_scope(api: RunningApi) -> None:
    for method, path in (
        ("GET", "/admin/keys"),
        ("POST", "/admin/keys"),
        ("DELETE", "/admin/keys/x"),
    ):
        response = await api.client.request(method, path, headers=api.headers())
        assert response.status_code == 403
        assert response.json()["error"]["code"] == "insufficient_scope"
        assert (await api.client.request(method, path)).status_code == 401


async def test_mistakes(api: RunningApi) -> None:
    cases: list[tuple[object, int, str, str | None]] = [
        ({}, 422, "invalid_value", "name"),
        ({"name": ""}, 422, "invalid_value", "name"),
        ({"name": "n", "scopes": ["root"]}, 422, "invalid_value", "scopes[0]"),
        ({"name": "n", "scopes": []}, 422, "invalid_value", "scopes"),
        ({"name": "n", "models": ["nope"]}, 422, "unknown_model", "models"),
        ({"name": "n", "expires_in_days": 0}, 422, "invalid_value", "expires_in_days"),
        ({"name": "n", "colour": "red"}, 422, "invalid_value", "colour"),
        ([], 422, "invalid_value", "body"),
    ]
    for body, status, code, param in cases:
        response = await api.post("/admin/keys", body, key=api.admin_key)
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (status, code, param)
    headers = {**api.headers(api.admin_key), "content-type": "application/json"}
    response = await api.client.post("/admin/keys", content=b"{", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")
    response = await api.client.delete("/admin/keys/key_x", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "key_not_found")


async def test_an_outage_of_the_database(
    api: RunningApi, postgres: TestPostgres, database_url: str
) -> None:
    assert (await api.post("/v1/chat/completions", CHAT)).status_code == 200
    assert (await api.get("/admin/keys", key=api.admin_key)).status_code == 200
    await postgres.set_reachable(database_url, False)
    assert (await api.post("/v1/chat/completions", CHAT)).status_code == 200
    response = await api.post("/admin/keys", {"name": "n"}, key=api.admin_key)
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert response.json()["error"]["code"] == "key_database_unavailable"
    response = await api.post("/v1/chat/completions", CHAT, key="sk-unknown")
    assert response.status_code == 503

    ready = (await api.client.get("/readyz")).json()
    assert (ready["status"], ready["database"]["state"]) == ("degraded", "down")

    await postgres.set_reachable(database_url, True)
    assert await created(api)
