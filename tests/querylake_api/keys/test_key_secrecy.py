"""A key is seen by its owner and by nobody else: no log, no engine, no table, no file has it."""

from __future__ import annotations

from pathlib import Path

from llm_provider_testing.scripted_engine import ScriptedEngine
from querylake_api.keys.secret import generate_key
from querylake_api.persistence.database import Database
from querylake_api.persistence.location import asyncpg_url
from querylake_api.requests.redaction import looks_like_key, without_keys
from querylake_api_testing.running import RunningApi

CHAT = {"model": "default", "messages": [{"role": "user", "content": "hello"}]}


async def test_no_key_leaves_the_api(
    api: RunningApi, engine: ScriptedEngine, database_url: str, tmp_path: Path
) -> None:
    made = await api.post("/admin/keys", {"name": "n"}, key=api.admin_key)
    unknown = generate_key()
    secrets = [api.key, api.admin_key, made.json()["key"], unknown]
    client = api.client
    for secret in secrets:
        ways = (
            {"authorization": f"Bearer {secret}"},
            {"x-api-key": secret},
            # Where it does not belong.
            {"authorization": f"Bearer {secret}", "x-request-id": secret},
            {"authorization": f"Bearer {secret}", "user": secret, "cookie": f"key={secret}"},
        )
        for headers in ways:
            for stream in (False, True):
                body = {**CHAT, "stream": stream}
                await client.post(
                    f"/v1/chat/completions?api_key={secret}", json=body, headers=headers
                )
            await client.post(
                "/v1/embeddings", json={"model": secret, "input": ""}, headers=headers
            )
            await client.get(f"/v1/models/{secret}", headers=headers)
            await client.get(f"/{secret}", headers=headers)
            await client.post("/admin/keys", json={"name": secret}, headers=headers)
            await client.delete(f"/admin/keys/{secret}", headers=headers)
    answered = [request for request in engine.requests if request.method == "POST"]
    assert len(answered) >= 8
    assert {request.headers["authorization"] for request in answered} == {"Bearer engine-secret"}

    seen = {
        "requests to engines": repr(engine.requests),
        "the log": "\n".join(map(str, api.log_lines())),
        "the database": await everything(database_url),
        **{str(file): content(file) for file in tmp_path.rglob("*") if file.is_file()},
    }
    assert len(seen) > 4
    assert "/v1/models/sk-..." in seen["the log"]
    for place, text in seen.items():
        for secret in secrets:
            assert secret not in text, f"a key in {place}"


def content(file: Path) -> str:
    return file.read_bytes().decode("latin-1")


async def everything(database_url: str) -> str:
    """Return every row of every table."""
    database = Database(asyncpg_url(database_url))
    texts = []
    async with database.begin() as connection:
        tables = await connection.exec_driver_sql(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        for table in tables.scalars().all():
            rows = await connection.exec_driver_sql(f'SELECT * FROM "{table}"')
            texts.append(repr(rows.all()))
    await database.close()
    return "\n".join(texts)


def test_what_looks_like_a_key() -> None:
    secret = generate_key()
    assert looks_like_key(f"my {secret}.")
    assert without_keys(f"/a/{secret}/b?{secret}") == "/a/sk-.../b?sk-..."
    for harmless in ("", "sk-", "task-force", "/v1/models/org/risk-model-of-the-team", "disk-7"):
        assert not looks_like_key(harmless)
        assert without_keys(harmless) == harmless
