"""Values that PostgreSQL cannot take: the caller is told which, and nobody else notices."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from querylake_api.persistence.database import Database
from querylake_api.persistence.errors import ValueRefused
from querylake_api.persistence.location import asyncpg_url
from querylake_api_testing.running import RunningApi

PLAN = {"model": "org/chatty", "steps": [{"percent": 50, "bake_seconds": 600}]}


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/admin/keys/a%00b", "key_id"),
        ("/admin/keys?after=a%00b", "after"),
        ("/admin/keys?limit=99999999999999999999999", "limit"),
        ("/admin/usage?key=a%00b", "key"),
        ("/admin/usage?model=%00", "model"),
        ("/admin/usage?upstream=%00", "upstream"),
        ("/admin/usage?stack=%00", "stack"),
        ("/admin/usage?outcome=%00", "outcome"),
        ("/admin/usage/records?key=a%00b", "key"),
        ("/admin/usage/records?limit=99999999999999999999999", "limit"),
        ("/admin/usage?to=0001-01-02T00:00:00Z", "to"),
        ("/admin/usage?from=0001-01-01T00:00:00%2B14:00", "from"),
        ("/admin/usage?to=9999-12-31T23:59:59-14:00", "to"),
        ("/admin/usage?from=10000-01-01T00:00:00Z", "from"),
        ("/admin/usage?from=2026-02-30T00:00:00Z", "from"),
        ("/admin/rollouts/a%00b", "rollout_id"),
        ("/admin/rollouts/a%00b/events", "rollout_id"),
        ("/admin/rollouts/r1/events?after=99999999999999999999999", "after"),
        ("/admin/rollouts/r1/events?after=-99999999999999999999999", "after"),
    ],
)
async def test_a_parameter_that_cannot_be_is_named(api: RunningApi, path: str, param: str) -> None:
    await refused(await api.get(path, key=api.admin_key), param)


@pytest.mark.parametrize(
    ("method", "path", "document", "param"),
    [
        ("POST", "/admin/keys", {"name": "a\0b"}, "name"),
        ("POST", "/admin/keys", {"name": "n", "requests_per_minute": 2**70}, "requests_per_minute"),
        ("POST", "/admin/keys", {"name": "n", "expires_in_days": 1e300}, "expires_in_days"),
        ("POST", "/admin/keys", {"name": "n", "expires_in_days": float("nan")}, "expires_in_days"),
        ("POST", "/admin/keys", {"name": "n", "expires_in_days": float("inf")}, "expires_in_days"),
        ("PATCH", "/admin/keys/k\0", {"name": "n"}, "key_id"),
        ("PATCH", "/admin/keys/k", {"name": "\0"}, "name"),
        ("DELETE", "/admin/keys/k\0", None, "key_id"),
        ("POST", "/admin/rollouts", {**PLAN, "model": "a\0"}, "model"),
        ("POST", "/admin/rollouts", {**PLAN, "deny": ["k\0"]}, "deny"),
        ("POST", "/admin/rollouts/r1/start", {"reason": "a\0b"}, "reason"),
        ("POST", "/admin/rollouts/r\0/start", {"reason": ""}, "rollout_id"),
        ("POST", "/admin/rollouts/r\0/rollback", {"reason": ""}, "rollout_id"),
    ],
)
async def test_a_field_that_cannot_be_is_named(
    api: RunningApi, method: str, path: str, document: Any, param: str
) -> None:
    response = await api.client.request(
        method,
        path.replace("\0", "%00"),
        content=None if document is None else json.dumps(document),
        headers={**api.headers(api.admin_key), "content-type": "application/json"},
    )
    await refused(response, param)


async def refused(response: Any, param: str) -> None:
    assert response.status_code == 422, response.text
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert (error["param"] or "").partition("[")[0].partition(".")[0] == param
    assert param in error["message"]


@pytest.mark.parametrize("document", [{"name": "n", "models": ["a\0b"]}, {"name": "\ud800"}])
async def test_what_no_name_can_be_is_refused(api: RunningApi, document: object) -> None:
    response = await api.client.post(
        "/admin/keys", content=json.dumps(document), headers=api.headers(api.admin_key)
    )
    assert 400 <= response.status_code < 500


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("SELECT CAST(:value AS text)", "a\0b"),
        ("SELECT CAST(:value AS bigint)", 2**70),
        ("SELECT CAST(CAST(:value AS text) AS jsonb)", '{"a": "\\u0000"}'),
        ("SELECT CAST(CAST(:value AS text) AS timestamptz)", "10000000-01-01"),
    ],
)
async def test_a_refused_value_is_no_outage(
    database_url: str, statement: str, value: object
) -> None:
    database = Database(asyncpg_url(database_url))
    with pytest.raises(ValueRefused, match="cannot take a value: ."):
        async with database.begin() as connection:
            await connection.execute(text(statement), {"value": value})
    await database.ping()
    await database.close()
