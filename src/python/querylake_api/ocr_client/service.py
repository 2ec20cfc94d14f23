"""The OCR service, over HTTP: one request and its answer at a time, each of them streamed.

Uploads are few and large. `llm_provider`'s transport is made for the opposite; httpx streams both
ways.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from llm_provider.config import UpstreamConfig
from llm_provider.errors import (
    ProviderError,
    StreamInterrupted,
    UpstreamDisconnected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from llm_provider.http_pool import KEEP_ALIVE_SECONDS
from querylake_api.settings import OCR_UPSTREAM

NAME = OCR_UPSTREAM
"""What the service is called where models and engines have names: in usage, metrics and logs."""


class OcrAnswer:
    """An answer whose head has arrived.

    Attributes:
        headers: with lower-case names.
    """

    def __init__(self, response: httpx.Response, idle: float) -> None:
        self._response = response
        self._idle = idle
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes.

        Raises:
            ProviderError: it broke off, or nothing came for too long.
        """
        count = 0
        pieces = self._response.aiter_raw()
        try:
            while True:
                async with asyncio.timeout(self._idle):
                    piece = await anext(pieces, b"")
                if not piece:
                    return
                count += 1
                yield piece
        except TimeoutError:
            raise UpstreamTimeout(NAME, "idle", self._idle) from None
        except httpx.TransportError as error:
            raise StreamInterrupted(NAME, count, str(error) or type(error).__name__) from error

    async def read(self) -> bytes:
        """Return the whole body. Raises as `pieces` does."""
        return b"".join([piece async for piece in self.pieces()])


class OcrService:
    """Asks the service, with its own key.

    Args:
        config: where it is.
    """

    def __init__(self, config: UpstreamConfig) -> None:
        self._root = config.base_url.removesuffix("/v1")
        self._timeouts = config.timeouts
        headers = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "querylake"}
        if config.api_key is not None:
            headers["authorization"] = f"Bearer {config.api_key}"
        timeouts = config.timeouts
        self._client = httpx.AsyncClient(
            headers=headers,
            trust_env=False,
            limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_SECONDS),
            timeout=httpx.Timeout(
                connect=timeouts.connect,
                read=timeouts.first_byte,
                write=timeouts.idle,
                pool=timeouts.connect,
            ),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    @asynccontextmanager
    async def answer(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str],
        body: AsyncIterator[bytes] | None,
    ) -> AsyncIterator[OcrAnswer]:
        """Send a request and give its answer; to leave the block ends it, wherever it is.

        Args:
            headers: besides those that say who asks.

        Raises:
            ProviderError: there is no answer, or the block got only a part of it in time.
        """
        total = self._timeouts.total
        try:
            async with asyncio.timeout(total) as deadline:
                request = self._client.build_request(
                    method, self._root + path, headers=headers, params=params, content=body
                )
                response = await self._send(request)
                try:
                    yield OcrAnswer(response, self._timeouts.idle)
                finally:
                    await response.aclose()
        except TimeoutError:
            if total is None or not deadline.expired():
                raise
            raise UpstreamTimeout(NAME, "total", total) from None

    async def health(self) -> str | None:
        """Return why the service does not answer, or None if it does."""
        try:
            response = await self._client.get(f"{self._root}/health")
        except httpx.TransportError as error:
            return str(self._failure(error))
        return None if response.is_success else f"status {response.status_code}"

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._client.send(request, stream=True)
        except httpx.TransportError as error:
            raise self._failure(error) from error

    def _failure(self, error: httpx.TransportError) -> ProviderError:
        timeouts = self._timeouts
        match error:
            case httpx.ConnectTimeout() | httpx.PoolTimeout():
                return UpstreamTimeout(NAME, "connect", timeouts.connect)
            case httpx.ReadTimeout():
                return UpstreamTimeout(NAME, "first_byte", timeouts.first_byte)
            case httpx.WriteTimeout():
                return UpstreamTimeout(NAME, "idle", timeouts.idle)
            case httpx.ConnectError():
                return UpstreamUnavailable(NAME, f"upstream {NAME!r}: {error}")
            case _:
                reason = str(error) or "the connection was lost"
                return UpstreamDisconnected(NAME, f"upstream {NAME!r}: {reason}")


@asynccontextmanager
async def open_ocr(config: UpstreamConfig | None) -> AsyncIterator[OcrService | None]:
    """Give the service that a configuration names, and close its connections; None for none."""
    if config is None:
        yield None
        return
    service = OcrService(config)
    try:
        yield service
    finally:
        await service.close()
