"""The boundary itself: what QueryLake may ask of an engine, whatever the engine is.

Requests are JSON objects that pass through untouched except for `model`, so a new engine feature
needs no release of ours. Bodies are bytes: callers that must look inside parse once, themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from llm_provider.engine_metrics import EngineMetrics

JsonObject = dict[str, Any]


Drain = Coroutine[Any, Any, None]

Sink = Callable[[bytes], Drain | None]
"""Takes a piece. What it returns, if anything, is to be waited for before it gets the next one."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a probe saw.

    Attributes:
        ok: the engine answered its health endpoint with 2xx.
        detail: one clause for a human: the status, or why no answer came.
        latency: seconds that the probe took.
    """

    ok: bool
    detail: str
    latency: float


class Relay(Protocol):
    """An answer whose head has arrived and whose body is still to be read.

    Leaving the `async with` block in any way, also by cancellation, ends the upstream request.
    """

    status: int
    headers: Mapping[str, str]
    """Header names are lower-case."""

    async def __aenter__(self) -> Relay: ...

    async def __aexit__(self, *exc_info: object) -> None: ...

    async def piece(self) -> bytes:
        """Return what has come of the body since the last time, as it comes; nothing at its end.

        Raises:
            UpstreamTimeout: phase `first_byte`, `idle` or `total`.
            StreamInterrupted: the connection ended before the body did.
        """
        ...

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield body bytes as they arrive. Raises as `piece` does."""
        while piece := await self.piece():
            yield piece

    async def read(self) -> bytes:
        """Return the whole body. Raises as `piece` does."""
        pieces: list[bytes] = []
        while piece := await self.piece():
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def pump(self, sink: Sink) -> bytes:
        """Give the rest of the body to `sink`, each piece in the moment in which it comes.

        Returns:
            What came together with the body's end, if anything did: it is not given to `sink`, so
            that it can go on together with the end.

        Raises:
            Exception: whatever `sink` raises, and what `piece` does.
        """
        async for piece in self.chunks():
            drain = sink(piece)
            if drain is not None:
                await drain
        return b""


class LLMProvider(Protocol):
    """One upstream engine, however it is reached."""

    name: str

    async def relay(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Relay:
        """Send one request and return once the answer's head is there, whatever its status.

        Args:
            method: the HTTP method.
            path: relative to the upstream's base URL, e.g. `/chat/completions`.
            body: a JSON document.
            request_id: sent as `x-request-id`.
            headers: more of them: of a distributed trace, and of the caller's protocol.

        Raises:
            UpstreamUnavailable, UpstreamTimeout, BreakerOpen: no head arrived.
        """
        ...

    async def chat(self, request: JsonObject, *, request_id: str | None = None) -> JsonObject:
        """Answer a chat completion. Raises `ProviderError` for every status but 2xx."""
        ...

    def stream_chat(
        self, request: JsonObject, *, request_id: str | None = None
    ) -> AsyncIterator[JsonObject]:
        """Yield chat completion chunks until `[DONE]`.

        Raises `UpstreamFailed` on an in-band error and `StreamInterrupted` on a missing end marker.
        """
        ...

    async def embed(self, request: JsonObject, *, request_id: str | None = None) -> JsonObject:
        """Answer an embeddings request."""
        ...

    async def rerank(self, request: JsonObject, *, request_id: str | None = None) -> JsonObject:
        """Answer a rerank request (`query`, `documents`, `top_n`)."""
        ...

    async def models(self) -> list[JsonObject]:
        """Return the engine's own model list."""
        ...

    async def health(self) -> Health:
        """Probe the engine; a failure is a `Health`, never an exception."""
        ...

    async def metrics(self) -> EngineMetrics | None:
        """Return how much work the engine has; None if it does not tell.

        Raises:
            ProviderError: no answer came.
        """
        ...

    async def close(self) -> None:
        """Release every connection."""
        ...
