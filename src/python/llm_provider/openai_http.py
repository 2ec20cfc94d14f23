"""An upstream that speaks OpenAI's HTTP API: vLLM, llama.cpp, and everything compatible."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import orjson

from llm_provider.config import UpstreamConfig
from llm_provider.engine_metrics import EngineMetrics, parse_engine_metrics
from llm_provider.errors import (
    ProviderError,
    StreamInterrupted,
    UpstreamFailed,
    UpstreamRejected,
)
from llm_provider.provider import Health, JsonObject
from llm_provider.sse import EventParser
from llm_provider.stream_observer import StreamObserver, error_in
from llm_provider.transport import HTTPRelay, HTTPTransport

_NOT_THERE = (404, 405)


class OpenAIHTTPProvider:
    """One upstream engine behind an OpenAI-compatible HTTP API; an `LLMProvider`."""

    def __init__(self, config: UpstreamConfig) -> None:
        self.config = config
        self.name = config.name
        self._transport = HTTPTransport(config)
        # Looks at an engine must not wait for a connection while requests hold them all.
        self._control = HTTPTransport(replace(config, max_connections=0))

    async def relay(
        self, method: str, path: str, *, body: bytes | None = None, request_id: str | None = None
    ) -> HTTPRelay:
        """Send one request and return once the answer's head is there, whatever its status.

        Args:
            method: the HTTP method.
            path: relative to the upstream's base URL, e.g. `/chat/completions`.
            body: a JSON document.
            request_id: sent as `x-request-id`.

        Raises:
            ProviderError: no head came: unavailable, timed out, disconnected, or not HTTP.
        """
        return await self._transport.send(
            method, self.config.base_url + path, body=body, request_id=request_id
        )

    async def chat(self, request: JsonObject, *, request_id: str | None = None) -> JsonObject:
        """Answer a chat completion.

        Raises:
            UpstreamRejected: the engine answered 4xx.
            ProviderError: there is no answer, or none that can be used.
        """
        return await self._call("/chat/completions", request, request_id)

    async def stream_chat(
        self, request: JsonObject, *, request_id: str | None = None
    ) -> AsyncIterator[JsonObject]:
        """Yield chat completion chunks until `[DONE]`.

        Raises:
            UpstreamFailed: also for an error that comes as an event. Whatever its code says, the
                engine had taken the request: a dying one calls it a 400.
            StreamInterrupted: the stream ended without `[DONE]`.
            UpstreamRejected, ProviderError: as `chat`.
        """
        body = orjson.dumps({**request, "stream": True})
        relay = await self.relay("POST", "/chat/completions", body=body, request_id=request_id)
        async with relay:
            if relay.status != 200:
                raise self._refusal(relay, await relay.read())
            parser = EventParser(self.name)
            observer = StreamObserver(self.name)
            try:
                async for chunk in relay.chunks():
                    for event in parser.feed(chunk):
                        document = observer.observe(event.data)
                        if observer.done:
                            return
                        if document is None:
                            raise self._not_an_object(relay, event.data)
                        if observer.in_band_error is not None:
                            raise self._error_event(relay, event.data)
                        yield document
            except StreamInterrupted as error:
                raise StreamInterrupted(self.name, observer.content_chunks, error.reason) from error
            raise StreamInterrupted(self.name, observer.content_chunks, "it ended without [DONE]")

    async def embed(self, request: JsonObject, *, request_id: str | None = None) -> JsonObject:
        """Answer an embeddings request. Raises as `chat` does."""
        return await self._call("/embeddings", request, request_id)

    async def rerank(self, request: JsonObject, *, request_id: str | None = None) -> JsonObject:
        """Answer a rerank request (`query`, `documents`, `top_n`). Raises as `chat` does."""
        return await self._call("/rerank", request, request_id)

    async def models(self) -> list[JsonObject]:
        """Return the engine's own model list. Raises as `chat` does."""
        async with await self.relay("GET", "/models") as relay:
            answer = self._answer(relay, await relay.read())
        data = answer.get("data")
        if not isinstance(data, list):
            raise UpstreamFailed(
                self.name,
                relay.status,
                b"",
                f"upstream {self.name!r}: its model list has no `data`",
            )
        return data

    async def health(self) -> Health:
        """Probe the engine; a failure is a `Health`, never an exception.

        Engines answer `/health` at the root. One that does not know it is asked for its models.
        """
        started = time.monotonic()
        try:
            status = await self._status(self._root + "/health")
            if status in _NOT_THERE:
                status = await self._status(self.config.base_url + "/models")
        except ProviderError as error:
            return Health(False, str(error), time.monotonic() - started)
        detail = f"status {status}"
        return Health(200 <= status < 300, detail, time.monotonic() - started)

    async def metrics(self) -> EngineMetrics | None:
        """Return how much work the engine has; None if it does not tell.

        Raises:
            ProviderError: no answer came.
        """
        async with await self._control.send("GET", self._root + "/metrics") as relay:
            body = await relay.read()
        return (
            parse_engine_metrics(body.decode("utf-8", "replace")) if relay.status == 200 else None
        )

    async def close(self) -> None:
        """Release every connection."""
        await self._transport.close()
        await self._control.close()

    @property
    def _root(self) -> str:
        """Where engines have what is not OpenAI's."""
        return self.config.base_url.removesuffix("/v1")

    async def _status(self, url: str) -> int:
        async with await self._control.send("GET", url) as relay:
            await relay.read()
            return relay.status

    async def _call(self, path: str, request: JsonObject, request_id: str | None) -> JsonObject:
        body = orjson.dumps(request)
        async with await self.relay("POST", path, body=body, request_id=request_id) as relay:
            return self._answer(relay, await relay.read())

    def _answer(self, relay: HTTPRelay, body: bytes) -> JsonObject:
        if not 200 <= relay.status < 300:
            raise self._refusal(relay, body)
        return self._document(relay, body)

    def _document(self, relay: HTTPRelay, body: bytes) -> JsonObject:
        """Return a document that is an answer. Engines also send errors with status 200."""
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            raise self._not_an_object(relay, body)
        error = error_in(document)
        if error is None:
            return document
        code = error.get("code")
        if isinstance(code, int) and 400 <= code < 500:
            raise UpstreamRejected(self.name, code, body, relay.headers)
        raise UpstreamFailed(self.name, relay.status, body, headers=relay.headers)

    def _not_an_object(self, relay: HTTPRelay, body: bytes) -> UpstreamFailed:
        return UpstreamFailed(
            self.name,
            relay.status,
            body,
            f"upstream {self.name!r} sent something that is not a JSON object",
            headers=relay.headers,
        )

    def _error_event(self, relay: HTTPRelay, data: bytes) -> UpstreamFailed:
        return UpstreamFailed(
            self.name,
            relay.status,
            data,
            f"upstream {self.name!r} sent an error as an event of its stream",
            headers=relay.headers,
        )

    def _refusal(self, relay: HTTPRelay, body: bytes) -> ProviderError:
        if 400 <= relay.status < 500:
            return UpstreamRejected(self.name, relay.status, body, relay.headers)
        return UpstreamFailed(self.name, relay.status, body, headers=relay.headers)
