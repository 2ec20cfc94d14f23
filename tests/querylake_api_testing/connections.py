"""Applications served by our own HTTP protocol, each to one client that speaks it by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import uvicorn

from querylake_api.http_server.asgi import Message, Receive, Scope, Send
from querylake_api.http_server.client_connection import ClientConnection
from querylake_api.http_server.connections import ConnectionLimits, Connections
from querylake_api.process.serve import listen
from querylake_api.process.server_process import ApiServer

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Address = tuple[str, int]
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[App], Awaitable[Connection]]

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
START = {"type": "http.response.start", "status": 200, "headers": []}


def server_of(app: App, limits: ConnectionLimits | None = None) -> ApiServer:
    """Return a server that lets an idle client go after a second."""
    protocol: Any = partial(ClientConnection, shared=Connections(limits or ConnectionLimits()))
    return ApiServer(
        uvicorn.Config(app, http=protocol, lifespan="off", log_config=None, timeout_keep_alive=1)
    )


@asynccontextmanager
async def serving(app: App, limits: ConnectionLimits | None = None) -> AsyncIterator[Address]:
    """Serve an application on loopback, and give where."""
    with listen("127.0.0.1", 0) as listener:
        server = server_of(app, limits)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[:2]
        finally:
            server.cut()
            await asyncio.wait_for(task, 60)


def piece_of(content: bytes, *, more: bool) -> Message:
    """Return a part of an answer's body."""
    return {"type": "http.response.body", "body": content, "more_body": more}


async def body_of(receive: Receive) -> bytes:
    """Read a request's body."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    return body


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body that came."""
    body = await body_of(receive)
    await send({**START, "headers": [(b"content-length", b"%d" % len(body))]})
    await send(piece_of(body, more=False))


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read the head of an answer, and the body that its length tells of."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).lower()
    length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head, await asyncio.wait_for(reader.readexactly(int(length or b"0")), 60)


async def everything(reader: asyncio.StreamReader) -> bytes:
    """Read until the server closes."""
    return await asyncio.wait_for(reader.read(), 60)
