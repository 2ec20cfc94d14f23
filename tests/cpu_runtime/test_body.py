"""Bodies that take too long, or are nested too deeply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cpu_runtime.errors import RequestError
from cpu_runtime.serving import body
from llm_provider.json_text import MAX_DEPTH


def receiving(content: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Return a client that sends a body and is done."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content}

    return receive


async def test_a_body_must_come_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(body, "SECONDS", 0.01)
    with pytest.raises(RequestError) as caught:
        await body.read_object({"headers": []}, never)
    assert caught.value.status == 408


async def test_a_body_is_taken_as_deep_as_the_api_takes_it() -> None:
    def nested(depth: int) -> bytes:
        return b'{"x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    assert await body.read_object({"headers": []}, receiving(nested(MAX_DEPTH)))
    with pytest.raises(RequestError, match=str(MAX_DEPTH)) as caught:
        await body.read_object({"headers": []}, receiving(nested(MAX_DEPTH + 1)))
    assert caught.value.status == 400
