"""Errors as Anthropic's clients understand them: https://docs.anthropic.com/en/api/errors"""

from __future__ import annotations

import orjson

from cpu_runtime.errors import BeyondContext, RequestError

_TYPES = {
    401: "authentication_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


def body_of(error: RequestError) -> bytes:
    """Return the body of a response that is an error."""
    other = "invalid_request_error" if error.status < 500 else "api_error"
    message = error.message
    if isinstance(error, BeyondContext):
        # In these words, by which clients know when to shorten a conversation.
        message = f"prompt is too long: {error.tokens} tokens > {error.limit} maximum"
    kind = _TYPES.get(error.status, other)
    return orjson.dumps({"type": "error", "error": {"type": kind, "message": message}})


def event_of(error: RequestError) -> bytes:
    """Return the last event of a stream that breaks off."""
    return b"event: error\ndata: " + body_of(error) + b"\n\n"
