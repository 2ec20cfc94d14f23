"""Asking an engine. One connection per request: closing it is how a request is called off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson

from cpu_runtime.errors import (
    RequestError,
    beyond_context,
    engine_failed,
    engine_unavailable,
)
from llm_provider.json_text import write_json

_TIMEOUT = httpx.Timeout(connect=5.0, write=30.0, read=None, pool=None)
"""A long prompt may take minutes on a small machine, and the caller can leave at any time."""

_HEALTH_SECONDS = 2.0
_DATA = b"data: "
_BEYOND_CONTEXT = ("exceed_context_size_error", "too large to process", "context size")

_NOT_UNDERSTOOD = ("json.exception.", "Failed to parse messages", "Failed to parse tools")
"""What llama.cpp says, as a fault of its own, of a request with a field of another type."""

_BAD_SCHEMA = ("JSON schema error", "failed to parse grammar", "Failed to parse grammar")


class EngineClient:
    """One engine, asked over loopback. To be closed."""

    def __init__(self, name: str, url: str, key: str) -> None:
        self._name = name
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {key}"},
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,  # a proxy of the environment has no business here
        )

    async def close(self) -> None:
        """Close what is open."""
        await self._http.aclose()

    async def healthy(self) -> bool:
        """Return whether the engine answers."""
        try:
            answer = await self._http.get("/health", timeout=_HEALTH_SECONDS)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    async def facts(self) -> dict[str, Any]:
        """Return what the engine says of its model: `n_ctx` is of one slot.

        Raises:
            RequestError: it does not answer.
        """
        try:
            answer = await self._http.get("/v1/models")
        except httpx.HTTPError:
            raise engine_unavailable(self._name) from None
        meta: dict[str, Any] = orjson.loads(answer.content)["data"][0]["meta"]
        return meta

    async def template_has_tools(self) -> bool:
        """Return whether the model's chat template knows of tools, and of calls of them.

        Raises:
            RequestError: it does not answer.
        """
        try:
            answer = await self._http.get("/props")
        except httpx.HTTPError:
            raise engine_unavailable(self._name) from None
        able = orjson.loads(answer.content).get("chat_template_caps") or {}
        return bool(able.get("supports_tools") and able.get("supports_tool_calls"))

    async def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the whole answer.

        Raises:
            RequestError: the engine refuses, fails, or breaks off.
        """
        try:
            answer = await self._http.post(path, content=write_json(body))
        except httpx.HTTPError:
            raise engine_unavailable(self._name) from None
        return self._document(answer.status_code, answer.content)

    @asynccontextmanager
    async def stream(
        self, path: str, body: dict[str, Any]
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Send a request and give the chunks of its answer, until it is complete.

        Raises:
            RequestError: the engine refuses, fails, or breaks off, now or in the middle.
        """
        try:
            async with self._http.stream("POST", path, content=write_json(body)) as answer:
                if answer.status_code != 200:
                    self._document(answer.status_code, await answer.aread())
                yield self._chunks(answer)
        except httpx.HTTPError:
            raise engine_unavailable(self._name) from None

    async def _chunks(self, answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
        async for data in _events(answer.aiter_raw()):
            if data == b"[DONE]":
                return
            yield self._document(200, data)
        raise engine_unavailable(self._name)

    def _document(self, status: int, content: bytes) -> dict[str, Any]:
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            raise engine_failed(f"The engine of {self._name} gave an answer that is not JSON.")
        if status != 200 or document.get("error"):
            raise _refusal(document.get("error"))
        return document


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Give the data of server-sent events, as llama.cpp writes them: one line each."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(_DATA):
                yield line.removeprefix(_DATA).strip()


def _refusal(error: object) -> RequestError:
    """Return llama.cpp's error as one of ours.

    Its types and messages: `format_error_response` in llama.cpp's tools/server. It calls some
    faults of the caller's its own, and some of its own the caller's.
    """
    known = error if isinstance(error, dict) else {}
    message = str(known.get("message") or "The engine gave no reason.")
    kind = f"{known.get('type')} {message}"
    if any(sign in kind for sign in _BEYOND_CONTEXT):
        return _beyond_context(known, message)
    for sign in _BAD_SCHEMA:
        if sign in message:
            reason = message[message.index(sign) :]
            return RequestError(f"{reason[:1].upper()}{reason[1:]}.", code="invalid_schema")
    if known.get("code") == 400 or any(sign in message for sign in _NOT_UNDERSTOOD):
        return RequestError(message[:1].upper() + message[1:])
    return engine_failed(f"The engine could not answer: {message}")


def _beyond_context(error: dict[str, Any], message: str) -> RequestError:
    tokens, limit = error.get("n_prompt_tokens"), error.get("n_ctx")
    if isinstance(tokens, int) and isinstance(limit, int):
        return beyond_context(tokens, limit)
    return RequestError(message, code="context_length_exceeded")
