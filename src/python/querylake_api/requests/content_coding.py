"""Request bodies that are compressed: decoded within bounds (RFC 9110, section 8.4)."""

from __future__ import annotations

import asyncio
import zlib

from querylake_api.errors import ApiError, invalid_request
from querylake_api.requests.errors import body_too_large

DECODED = ("gzip", "deflate")
"""What is decoded. `deflate` is zlib's format; some clients send it without zlib's header."""

_SLICE = 256 * 1024
"""Bytes that are decoded before others get their turn: half a millisecond's work."""

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_BARE_DEFLATE = -zlib.MAX_WBITS


async def decoded(body: bytes, coding: bytes, limit: int) -> bytes:
    """Return a body as it was before it was compressed.

    Args:
        coding: what `Content-Encoding` says.
        limit: bytes of the result at most.

    Raises:
        ApiError: 415 for another coding, 400 for a body that is not encoded so, 413 for one that
            becomes too large.
    """
    if coding == b"identity" or not body:
        return body
    if coding in (b"gzip", b"x-gzip"):
        window = _GZIP
    elif coding == b"deflate":
        window = _ZLIB if body[0] & 0x0F == 8 and _begins_zlib(body) else _BARE_DEFLATE
    else:
        raise unknown_coding(coding)
    decoder = zlib.decompressobj(window)
    result = bytearray()
    try:
        for start in range(0, len(body), _SLICE):
            if decoder.eof:
                raise broken_coding(coding, "something follows its end")
            rest = body[start : start + _SLICE]
            while rest and not decoder.eof:
                result += decoder.decompress(rest, _SLICE)
                rest = decoder.unconsumed_tail
                if len(result) > limit:
                    raise body_too_large(limit)
                await asyncio.sleep(0)
    except zlib.error as error:
        raise broken_coding(coding, str(error)) from None
    if decoder.unused_data:
        raise broken_coding(coding, "something follows its end")
    result += decoder.flush()
    if not decoder.eof:
        raise broken_coding(coding, "it is cut short")
    if len(result) > limit:
        raise body_too_large(limit)
    return bytes(result)


def _begins_zlib(body: bytes) -> bool:
    """Return whether a body has zlib's header, which is a multiple of 31 (RFC 1950)."""
    return len(body) >= 2 and not int.from_bytes(body[:2], "big") % 31


def unknown_coding(coding: bytes, known: tuple[str, ...] = DECODED) -> ApiError:
    """The body is compressed in a way that is not decoded here."""
    error = invalid_request(
        f"The Content-Encoding {coding[:100].decode('latin-1')!r} is not decoded here. Send the "
        f"body {'as it is' if not known else 'with ' + ' or '.join(known) + ', or as it is'}.",
        status=415,
        code="unsupported_content_encoding",
    )
    error.headers["accept-encoding"] = ", ".join((*known, "identity"))
    return error


def broken_coding(coding: bytes, reason: str) -> ApiError:
    """The body is not compressed as it says."""
    return invalid_request(
        f"The request body is not valid {coding.decode('latin-1')}: {reason}.",
        code="invalid_content_encoding",
    )
