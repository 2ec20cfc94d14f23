"""The gate that refuses new requests, as an application is wrapped in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vllm_runtime.drain_gate import CLOSED_FILE, Application, DrainGate, Message, Receive, Send

POST = {"type": "http", "method": "POST", "path": "/v1/chat/completions"}


class Asked:
    """An application that answers `taken`, behind the gate."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = folder / "closed"
        monkeypatch.setenv(CLOSED_FILE, str(self.file))
        self._gate: Application = DrainGate(_taken)

    async def __call__(self, scope: dict[str, Any]) -> list[Message]:
        """Return what the client is sent."""
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._gate(scope, receive, send)
        return sent


async def _taken(scope: Message, receive: Receive, send: Send) -> None:
    await send({"type": "taken"})


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(tmp_path, monkeypatch)


async def test_an_open_gate_lets_everything_through(asked: Asked) -> None:
    assert await asked(POST) == [{"type": "taken"}]


async def test_a_closed_gate_refuses_new_work_in_openai_s_form(asked: Asked) -> None:
    asked.file.touch()
    start, body = await asked(POST)
    headers = dict(start["headers"])
    assert start["status"] == 503
    assert headers[b"retry-after"] == b"1"
    assert headers[b"connection"] == b"close"
    assert headers[b"content-length"] == str(len(body["body"])).encode()
    error = json.loads(body["body"])["error"]
    assert error["code"] == "engine_draining"
    assert set(error) == {"message", "type", "param", "code"}


async def test_a_closed_gate_still_shows_how_the_engine_is(asked: Asked) -> None:
    asked.file.touch()
    for path in ("/health", "/metrics", "/load"):
        assert await asked({**POST, "method": "GET", "path": path}) == [{"type": "taken"}]
    assert await asked({"type": "lifespan"}) == [{"type": "taken"}]


async def test_a_socket_is_told_to_go_elsewhere(asked: Asked) -> None:
    asked.file.touch()
    assert await asked({"type": "websocket", "path": "/v1/realtime"}) == [
        {"type": "websocket.close", "code": 1012}
    ]
