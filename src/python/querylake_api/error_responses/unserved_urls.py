"""What a caller is told of a URL or a method that is not served."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from querylake_api.errors import ApiError, invalid_request

_SLASHES = re.compile(r"/{2,}")
_BASE = "/v1"


def unknown_url(method: str, path: str, served: Mapping[str, str] | None = None) -> ApiError:
    """Nothing is served there.

    Args:
        served: methods by path, of what is served, to say what may have been meant.
    """
    hint = _hint(path, served or {})
    return invalid_request(
        f"There is nothing at {method} {path[:200]}. {hint or 'See /docs for what there is.'}",
        status=404,
        code="unknown_url",
    )


def wrong_method(method: str, path: str, allow: str) -> ApiError:
    """Something is served there, but not to this method."""
    error = invalid_request(
        f"{path[:200]} does not take {method}. Use {allow or 'another method'}.",
        status=405,
        code="method_not_allowed",
    )
    if allow:
        error.headers["allow"] = allow
    return error


def _hint(path: str, served: Mapping[str, str]) -> str | None:
    """Return what may have been meant: mostly, the base URL of a client is a wrong one."""
    plain = _SLASHES.sub("/", path[:200]).rstrip("/")
    if plain == _BASE:
        return "This is the base URL of clients; GET /v1/models lists the models."
    # With the base, without it, twice, or behind somebody else's.
    after_base = plain[plain.rfind(f"{_BASE}/") :] if f"{_BASE}/" in plain else _BASE + plain
    for candidate in (after_base, plain):
        if candidate in served:
            return f"Did you mean {served[candidate]} {candidate}? {_base_of(candidate)}"
    near = difflib.get_close_matches(plain, served, n=1, cutoff=0.8)
    return f"Did you mean {served[near[0]]} {near[0]}?" if near else None


def _base_of(path: str) -> str:
    if path.startswith(f"{_BASE}/messages"):
        return "The base URL of Anthropic's clients ends before /v1."
    return "The base URL ends with /v1." if path.startswith(f"{_BASE}/") else ""
