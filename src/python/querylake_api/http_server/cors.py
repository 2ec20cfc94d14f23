"""Pages of other origins: what a browser asks before it lets them call, and what answers say.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import re
from collections.abc import Collection

from querylake_api.http_server.asgi import Scope

Headers = tuple[tuple[bytes, bytes], ...]

NOT_FOR_PAGES = ("/admin", "/ui", "/metrics", "/docs", "/openapi.json")
"""Administration is for QueryLake's own pages: a foreign one has no business with an admin key."""

_METHODS = b"GET, POST, DELETE, OPTIONS"
_MAX_AGE_SECONDS = b"600"
_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")


class Cors:
    """Which pages may call.

    Args:
        origins: as browsers write them; `*` among them is all. At least one.
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origin.encode().lower() for origin in origins)
        self._all = b"*" in self._origins

    def headers(self, scope: Scope) -> Headers:
        """Return what the answer to a request says, whatever the answer is."""
        path: str = scope["path"]
        if path.startswith(NOT_FOR_PAGES):
            return ()
        varies: Headers = () if self._all else ((b"vary", b"Origin"),)
        origin = _header(scope, b"origin")
        if origin is None or not (self._all or origin.lower() in self._origins):
            return varies
        return (
            (b"access-control-allow-origin", b"*" if self._all else origin),
            (b"access-control-expose-headers", b"*"),
            *varies,
        )

    def preflight(self, scope: Scope) -> Headers | None:
        """Return what answers a browser's question before a request; None if it is none."""
        if scope["method"] != "OPTIONS":
            return None
        if _header(scope, b"access-control-request-method") is None:
            return None
        allowed = self.headers(scope)
        if not allowed or allowed[0][0] != b"access-control-allow-origin":
            return None
        names = _header(scope, b"access-control-request-headers") or b"authorization, content-type"
        answer: list[tuple[bytes, bytes]] = [
            *allowed,
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-max-age", _MAX_AGE_SECONDS),
        ]
        if _NAMES.fullmatch(names):
            answer.append((b"access-control-allow-headers", names))
        if _header(scope, b"access-control-request-private-network") == b"true":
            answer.append((b"access-control-allow-private-network", b"true"))
        return tuple(answer)


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    for name, value in scope["headers"]:
        if name == wanted:
            return bytes(value)
    return None
