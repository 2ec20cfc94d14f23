"""Calls in OpenAI's protocol, on top of a way to send one request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping

from llm_provider.engine_errors import error_in, status_of
from llm_provider.errors import (
    ProviderError,
    StreamInterrupted,
    UpstreamFailed,
    UpstreamRejected,
)
from llm_provider.json_text import read_json, write_json
from llm_provider.provider import JsonObject, Relay
from llm_provider.sse import EventParser
from llm_provider.stream_observer import StreamObserver


class RelayingProvider(ABC):
    """The part of an `LLMProvider` that does not depend on how the engine is reached.

    Args:
        name: the operator's name of the engine.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    async def relay(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Relay:
        """Send one request; see `LLMProvider.relay`."""

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
        body = write_json({**request, "stream": True})
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

    async def _call(self, path: str, request: JsonObject, request_id: str | None) -> JsonObject:
        body = write_json(request)
        async with await self.relay("POST", path, body=body, request_id=request_id) as relay:
            return self._answer(relay, await relay.read())

    def _answer(self, relay: Relay, body: bytes) -> JsonObject:
        if not 200 <= relay.status < 300:
            raise self._refusal(relay, body)
        return self._document(relay, body)

    def _document(self, relay: Relay, body: bytes) -> JsonObject:
        """Return a document that is an answer. Engines also send errors with status 200."""
        try:
            document = read_json(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise self._not_an_object(relay, body)
        error = error_in(document)
        if error is None:
            return document
        status = status_of(error)
        if status < 500:
            raise UpstreamRejected(self.name, status, body, relay.headers)
        raise UpstreamFailed(self.name, relay.status, body, headers=relay.headers)

    def _not_an_object(self, relay: Relay, body: bytes) -> UpstreamFailed:
        return UpstreamFailed(
            self.name,
            relay.status,
            body,
            f"upstream {self.name!r} sent something that is not a JSON object",
            headers=relay.headers,
        )

    def _error_event(self, relay: Relay, data: bytes) -> UpstreamFailed:
        return UpstreamFailed(
            self.name,
            relay.status,
            data,
            f"upstream {self.name!r} sent an error as an event of its stream",
            headers=relay.headers,
        )

    def _refusal(self, relay: Relay, body: bytes) -> ProviderError:
        if 400 <= relay.status < 500:
            return UpstreamRejected(self.name, relay.status, body, relay.headers)
        return UpstreamFailed(self.name, relay.status, body, headers=relay.headers)
