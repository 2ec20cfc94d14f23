"""A small proxy in front of an engine. It passes everything on as it is, but for faults it is told
to put in, and it remembers into which requests it has put one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from rollout_trials.faults import Sabotage

EVENTS_BEFORE_FAULT = 2
"""Events of a stream that come through before it breaks."""

_HOP = frozenset({"connection", "transfer-encoding", "content-length", "host", "keep-alive"})


class Proxy:
    """Stands in front of one engine.

    Attributes:
        url: where it listens, without `/v1`.
        target: the engine's, likewise.
        sabotage: what it does now; None for nothing.
        spoilt: ids of the requests into which it has put a fault.
    """

    def __init__(self, target: str) -> None:
        self.url = ""
        self.target = target
        self.sabotage: Sabotage | None = None
        self.spoilt: set[str] = set()
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        """Listen on a free port of loopback until the block ends."""
        application = web.Application(client_max_size=2**26)
        application.router.add_route("*", "/{path:.*}", self._pass)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        ) as self._session:
            try:
                yield self
            finally:
                await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        spoil = self._spoil(request)
        if spoil is not None:
            if spoil.fault == "errors":
                document = {"error": {"message": "put in by the proxy", "type": "server_error"}}
                return web.json_response(document, status=500)
            if spoil.fault == "slow first tokens":
                await asyncio.sleep(spoil.delay)
        assert self._session is not None, "nothing is passed on before it runs"
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        body = await request.read()
        try:
            async with self._session.request(
                request.method, self.target + request.path_qs, headers=headers, data=body or None
            ) as answer:
                return await self._answer(request, answer, spoil)
        except aiohttp.ClientError:
            # The engine is gone, and whoever asks has to see just that.
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)  # which nobody gets

    def _spoil(self, request: web.Request) -> Sabotage | None:
        """Draw whether a request gets a fault; looks at the engine never do."""
        sabotage = self.sabotage
        if sabotage is None or request.method != "POST":
            return None
        if random.random() >= sabotage.share:
            return None
        self.spoilt.add(request.headers.get("x-request-id", ""))
        return sabotage

    async def _answer(
        self, request: web.Request, answer: aiohttp.ClientResponse, spoil: Sabotage | None
    ) -> web.StreamResponse:
        headers = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
        response = web.StreamResponse(status=answer.status, headers=headers)
        stream = answer.content_type == "text/event-stream"
        await response.prepare(request)
        if not stream or spoil is None:
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response
        passed = 0
        async for event in _events(answer):
            if passed >= EVENTS_BEFORE_FAULT:
                if spoil.fault == "in-band errors":
                    await response.write(b'data: {"error": {"message": "put in", "code": 500}}\n\n')
                    await response.write(b"data: [DONE]\n\n")
                    break
                if spoil.fault == "truncation":
                    break
            await response.write(event)
            passed += 1
        await response.write_eof()
        return response


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in answer.content.iter_any():
        *whole, rest = (rest + piece).split(b"\n\n")
        for event in whole:
            yield event + b"\n\n"
    if rest:
        yield rest
