"""A client that can leave at any byte."""

from __future__ import annotations

import asyncio
import json

from querylake_api_testing.running import RunningApi


class Client:
    """A connection to the API, without a library that would be polite."""

    def __init__(self, api: RunningApi) -> None:
        self._api = api

    async def connect(self) -> None:
        """Open the connection."""
        host, port = self._api.url.removeprefix("http://").split(":")
        self.reader, self.writer = await asyncio.open_connection(host, int(port))

    async def send(self, document: object, *, cut: int = 0) -> None:
        """Send a chat request, all but its last `cut` bytes."""
        body = json.dumps(document).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
            f"authorization: Bearer {self._api.key}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body[: len(body) - cut])
        await self.writer.drain()

    def leave(self) -> None:
        """Close the connection at once."""
        self.writer.transport.abort()
