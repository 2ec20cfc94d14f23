"""An upstream that speaks OpenAI's HTTP API: vLLM, llama.cpp, and everything compatible."""

# compiled: runs for each request.

from __future__ import annotations

import time
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final

from llm_provider.config import UpstreamConfig
from llm_provider.engine_metrics import EngineMetrics, parse_engine_metrics
from llm_provider.errors import ProviderError
from llm_provider.provider import Health
from llm_provider.relaying import RelayingProvider
from llm_provider.transport import HTTPRelay, HTTPTransport

_NOT_THERE: Final = (404, 405)


class OpenAIHTTPProvider(RelayingProvider):
    """One upstream engine behind an OpenAI-compatible HTTP API; an `LLMProvider`."""

    def __init__(self, config: UpstreamConfig) -> None:
        super().__init__(config.name)
        self.config = config
        self._transport = HTTPTransport(config)
        # Looks at an engine must not wait for a connection while requests hold them all.
        self._control = HTTPTransport(replace(config, max_connections=0))

    def relay(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Coroutine[Any, Any, HTTPRelay]:
        """Send one request and return once the answer's head is there, whatever its status.

        Args:
            method: the HTTP method.
            path: relative to the upstream's base URL, e.g. `/chat/completions`.
            body: a JSON document.
            request_id: sent as `x-request-id`.
            headers: more of them, of a distributed trace and of the caller's protocol.

        Raises:
            ProviderError: no head came: unavailable, timed out, disconnected, or not HTTP.
        """
        return self._transport.send(
            method, self.config.base_url + path, body=body, request_id=request_id, headers=headers
        )

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
