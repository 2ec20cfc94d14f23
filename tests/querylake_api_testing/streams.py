"""Streams as a client reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

_CHAT = {"model": "default", "messages": [], "stream": True}


async def whole_stream(
    client: httpx.AsyncClient, headers: Mapping[str, str], begun: Callable[[], object]
) -> bytes:
    """Ask for a stream and return all of it.

    Args:
        begun: called when its first bytes are here.
    """
    async with client.stream(
        "POST", "/v1/chat/completions", json=_CHAT, headers=headers
    ) as response:
        pieces = response.aiter_bytes()
        whole = await anext(pieces)
        begun()
        return whole + b"".join([piece async for piece in pieces])
