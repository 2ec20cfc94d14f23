"""Answers that an engine compressed although it was told `Accept-Encoding: identity`."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from typing import Final

from llm_provider.errors import AnswerUnfit

_MAX_BYTES: Final = 64 * 1024 * 1024
"""Of an answer without its compression. A small one may unpack to a thousand times its size."""

_SLICE: Final = 256 * 1024
"""Bytes that are unpacked before others get their turn: half a millisecond's work."""

_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def is_compressed(headers: Mapping[str, str]) -> bool:
    """Return whether an answer is compressed, by its headers, whose names are lower-case."""
    encoding = headers.get("content-encoding")
    return encoding is not None and encoding.strip().lower() not in ("", "identity")


async def without_compression(body: bytes, encoding: str, upstream: str) -> bytes:
    """Return a compressed body as it was before.

    Raises:
        AnswerUnfit: it is compressed in a way that is not known here, damaged, or too large.
    """
    bits = _WINDOW_BITS.get(encoding.strip().lower())
    told = f"an answer compressed with {encoding!r}, although told not to"
    if bits is None:
        raise AnswerUnfit(upstream, told)
    unpacking = zlib.decompressobj(bits)
    pieces: list[bytes] = []
    left = _MAX_BYTES
    rest = body
    try:
        while not unpacking.eof and rest and left > 0:
            piece = unpacking.decompress(rest, min(_SLICE, left))
            left -= len(piece)
            pieces.append(piece)
            rest = unpacking.unconsumed_tail
            await asyncio.sleep(0)
    except zlib.error:
        raise AnswerUnfit(upstream, f"{told}, which cannot be unpacked") from None
    if not rest:
        # What is left of a last step that was full; with input left, it would have no bound.
        pieces.append(unpacking.flush())
    if not unpacking.eof:
        raise AnswerUnfit(upstream, f"{told}, which is cut short or too large")
    return b"".join(pieces)
