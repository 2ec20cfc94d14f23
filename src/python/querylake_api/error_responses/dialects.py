"""How each protocol words an error, whole and as an event of a stream.

OpenAI's clients find `error` in a document. Anthropic's look for `"type": "error"` beside it, and
have their own words for its type. An event of OpenAI's Responses says its fields at the top, and
clients of the older protocol still find `error`.
"""

from __future__ import annotations

from typing import Any

import orjson

from querylake_api.errors import ApiError
from querylake_api.requests.record import Dialect

_ANTHROPIC_STATUS_TYPES = {
    404: "not_found_error",
    413: "request_too_large",
    503: "overloaded_error",
}
_ANTHROPIC_TYPES = {"upstream_error": "api_error", "server_error": "api_error"}
"""https://docs.anthropic.com/en/api/errors"""


def error_body(error: ApiError, dialect: Dialect) -> bytes:
    """Return the body of an answer that is an error."""
    return orjson.dumps(_document(error, dialect))


def error_event(error: ApiError, dialect: Dialect) -> bytes:
    """Return an error as one server-sent event, for a stream that has already begun."""
    document = _document(error, dialect)
    if dialect == "openai":
        return b"data: " + orjson.dumps(document) + b"\n\n"
    if dialect == "responses":
        told = document["error"]
        top = {name: told[name] for name in ("code", "message", "param")}
        document = {"type": "error", **top, **document}
    return b"event: error\ndata: " + orjson.dumps(document) + b"\n\n"


def _document(error: ApiError, dialect: Dialect) -> dict[str, Any]:
    document = error.document()
    if dialect != "anthropic":
        return document
    told = document["error"]
    kind = _ANTHROPIC_STATUS_TYPES.get(error.status) or _ANTHROPIC_TYPES.get(
        told["type"], told["type"]
    )
    return {"type": "error", "error": {**told, "type": kind}}
