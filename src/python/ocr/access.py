"""Who may ask: everybody on this machine, or whoever has the key."""

from __future__ import annotations

import hmac
import ipaddress
import os
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from ocr.answers import wrong_key
from ocr.errors import KeyMissing

KEY_VARIABLE = "OCR_API_KEY"
OPEN_PATH = "/health"
"""Answered without a key, for probes."""


class KeyRequired:
    """Lets requests through that bring the key, and those for `OPEN_PATH`."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection scope."""
        if scope["type"] != "http" or scope["path"] == OPEN_PATH or self._has_key(scope["headers"]):
            await self._app(scope, receive, send)
            return
        await wrong_key()(scope, receive, send)

    def _has_key(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        for name, value in headers:
            if name == b"authorization":
                scheme, _, value = value.partition(b" ")
                if scheme.lower() != b"bearer":
                    continue
            elif name != b"x-api-key":
                continue
            # Takes as long for a nearly right key as for any other.
            if hmac.compare_digest(value.strip(), self._key):
                return True
        return False


def key_for(address: str) -> str | None:
    """Return the key to require on an address, or None where none is needed.

    Args:
        address: an IP address, with a zone or without.

    Raises:
        KeyMissing: other machines can reach the address and no key is set.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if key:
        return key
    if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return None
    raise KeyMissing(
        f"other machines can reach {address} and no key is set; set {KEY_VARIABLE}, "
        "or listen on 127.0.0.1"
    )
