"""Faults between a client and a sound engine: requests and responses are changed on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

Document = dict[str, Any]
STRUCTURED = ("response_format", "structured_outputs", "guided_json", "guided_choice")
LOAD = 4
"""Requests at once from which on the fault under load shows."""


@dataclass(frozen=True)
class Fault:
    """How requests and responses are changed.

    Attributes:
        request: changes a request's body; gets its path and how many requests are under way.
        response: changes a response of a chat.
        gather_seconds: requests that come within this time are in the engine together.
    """

    request: Callable[[str, Document, int], None] = lambda path, body, under_way: None
    response: Callable[[Document], None] = lambda document: None
    gather_seconds: float = 0.0


class FaultyTransport(httpx.AsyncBaseTransport):
    """Carries requests to a real engine, with a fault."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self._inner = httpx.AsyncHTTPTransport()
        self._under_way = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request on, and return what comes."""
        if request.method != "POST":
            return await self._inner.handle_async_request(request)
        self._under_way += 1
        try:
            body = json.loads(await request.aread())
            await asyncio.sleep(self._fault.gather_seconds)
            self._fault.request(request.url.path, body, self._under_way)
            sent = httpx.Request(
                "POST",
                request.url,
                headers={"authorization": request.headers.get("authorization", "")},
                json=body,
                extensions=request.extensions,
            )
            response = await self._inner.handle_async_request(sent)
            content = await response.aread()
        finally:
            self._under_way -= 1
        return httpx.Response(response.status_code, content=self._changed(request, content))

    async def aclose(self) -> None:
        """Close its connections."""
        await self._inner.aclose()

    def _changed(self, request: httpx.Request, content: bytes) -> bytes:
        if not request.url.path.endswith("/chat/completions") or not content.startswith(b"{"):
            return content
        document = json.loads(content)
        for choice in document.get("choices") or ():
            self._fault.response(choice)
        return json.dumps(document).encode()


def template(text: str) -> Fault:
    """Render prompts by another template, as an engine does that was given another file."""

    def change(path: str, body: Document, under_way: int) -> None:
        if "messages" in body:
            body["chat_template"] = text

    return Fault(change)


def with_fields(**fields: Any) -> Fault:
    """Set fields of chats that do not have them: other defaults."""

    def change(path: str, body: Document, under_way: int) -> None:
        if path.endswith("/chat/completions"):
            for name, value in fields.items():
                body.setdefault(name, value)

    return Fault(change)


def without_structure() -> Fault:
    """Ignore every field that asks for structured output."""

    def change(path: str, body: Document, under_way: int) -> None:
        for name in STRUCTURED:
            body.pop(name, None)

    return Fault(change)


def reasoning_as(name: str) -> Fault:
    """Give the first words of each answer as its reasoning, under a name."""

    def change(choice: Document) -> None:
        message = choice["message"]
        thoughts, _, rest = (message.get("content") or "").partition(" ")
        if thoughts:
            message[name], message["content"] = thoughts, rest

    return Fault(response=change)


def calls_in_text() -> Fault:
    """Leave tool calls in the text, as without a parser."""

    def change(choice: Document) -> None:
        message = choice["message"]
        calls = [call["function"] for call in message.get("tool_calls") or ()]
        if calls:
            said = {
                "name": calls[0]["name"],
                "arguments": json.loads(calls[0]["arguments"] or "{}"),
            }
            message["content"] = f"<tool_call>\n{json.dumps(said)}\n</tool_call>"
            message["tool_calls"] = []
            choice["finish_reason"] = "stop"

    return Fault(response=change)


def corrupt_under_load() -> Fault:
    """Mix up what the engine has in its cache once several requests are there: a wrong page."""

    def change(path: str, body: Document, under_way: int) -> None:
        tokens = body.get("prompt")
        if under_way >= LOAD and isinstance(tokens, list) and len(tokens) > 24:
            # Sixteen tokens, a page of the cache, are those of another place.
            body["prompt"] = [*tokens[:4], *tokens[4:20][::-1], *tokens[20:]]

    return Fault(change, gather_seconds=0.05)
