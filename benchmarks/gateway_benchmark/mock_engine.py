"""An engine that answers at once: what is measured in front of it is the gateway alone.

It speaks just enough of OpenAI's protocol for every gateway, and is an asyncio protocol without a
framework, because an engine that costs as much as the gateway would hide it. Two fields of the
request, which every gateway passes on, say how to answer: `max_tokens` is the number of content
chunks of a stream, and `seed` the milliseconds between two of them (0: as fast as they go).
"""

from __future__ import annotations

import argparse
import asyncio
from typing import cast

import httptools
import orjson
import uvloop

MODEL = "mock"

_HEAD_END = b"\r\n\r\n"
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_STREAM_END = b"0\r\n\r\n"


def _document(document: object, status: bytes = b"200 OK") -> bytes:
    body = orjson.dumps(document)
    return (
        b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d" % (status, len(body))
        + _HEAD_END
        + body
    )


_USAGE = {"prompt_tokens": 12, "completion_tokens": 16, "total_tokens": 28}

_CHAT = _document(
    {
        "id": "chatcmpl-5e0e2cbd",
        "object": "chat.completion",
        "created": 1768435200,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "The quick brown fox. " * 4},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": _USAGE,
    }
)
_MODELS = _document(
    {
        "object": "list",
        "data": [{"id": MODEL, "object": "model", "created": 1768435200, "owned_by": "mock"}],
    }
)
_EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_NOT_FOUND = _document({"detail": "Not Found"}, b"404 Not Found")


def _event(document: object) -> bytes:
    """Return one event as one chunk of HTTP's chunked encoding."""
    data = document if isinstance(document, bytes) else orjson.dumps(document)
    event = b"data: " + data + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(event), event)


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    return _event(
        {
            "id": "chatcmpl-5e0e2cbd",
            "object": "chat.completion.chunk",
            "created": 1768435200,
            "model": MODEL,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        }
    )


_ROLE = _chunk({"role": "assistant", "content": ""})
_CONTENT = _chunk({"content": " fox"})
_FINISH = _chunk({"content": ""}, "stop")
_DONE = _event(b"[DONE]")
_USAGE_CHUNK = _event(
    {
        "id": "chatcmpl-5e0e2cbd",
        "object": "chat.completion.chunk",
        "created": 1768435200,
        "model": MODEL,
        "choices": [],
        "usage": _USAGE,
    }
)


class MockEngine(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport. uvloop has switched Nagle's delay off already."""
        # uvloop's transports are not registered as asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop a stream that nobody reads."""
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Read requests."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        """Forget the request before."""
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        """Take a part of the path."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer."""
        if not self._url.endswith(b"/chat/completions"):
            self._transport.write(self._small_answer())
            return
        request = orjson.loads(self._body)
        if not request.get("stream"):
            self._transport.write(_CHAT)
            return
        self._start_stream(request)

    def _small_answer(self) -> bytes:
        if self._url.endswith(b"/models"):
            return _MODELS
        return _EMPTY if self._url.endswith(b"/health") else _NOT_FOUND

    def _start_stream(self, request: dict[str, object]) -> None:
        chunks = int(str(request.get("max_tokens") or 16))
        interval = float(str(request.get("seed") or 0)) / 1000
        options = request.get("stream_options")
        wants_usage = isinstance(options, dict) and bool(options.get("include_usage"))
        ending = [_FINISH, *([_USAGE_CHUNK] if wants_usage else []), _DONE, _STREAM_END]
        self._transport.write(_STREAM_HEAD + _ROLE)
        if interval > 0:
            self._paced(chunks, interval, self._loop.time() + interval, ending)
            return
        for _ in range(chunks):
            self._transport.write(_CONTENT)
        for piece in ending:
            self._transport.write(piece)

    def _paced(self, left: int, interval: float, due: float, ending: list[bytes]) -> None:
        # Due times are absolute, so that a late timer does not slow the stream down.
        if left == 0:
            self._transport.write(b"".join(ending))
            return
        self._transport.write(_CONTENT)
        self._timer = self._loop.call_at(
            due, self._paced, left - 1, interval, due + interval, ending
        )


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(MockEngine, "127.0.0.1", port, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve on loopback until terminated, after printing the base URL."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
