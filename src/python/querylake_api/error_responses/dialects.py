"""How each protocol words an error, whole and as an event of a stream.

OpenAI's clients find `error` in a document. Anthropic's look for `"type": "error"` beside it, and
have their own words for its type. An event of OpenAI's Responses says its fields at the top, and
clients of the older protocol still find `error`.
"""

from __future__ import annotations

from typing import Any

from llm_provider.json_text import write_json
from querylake_api.errors import ApiError
from querylake_api.requests.dialect import Dialect

_ANTHROPIC_STATUS_TYPES = {
    404: "not_found_error",
    413: "request_too_large",
    503: "overloaded_error",
}
_ANTHROPIC_TYPES = {
    "upstream_error": "api_error",
    "server_error": "api_error",
    "BadRequestError": "invalid_request_error",
    "exceed_context_size_error": "invalid_request_error",
}
"""https://docs.anthropic.com/en/api/errors"""


def dialect_of(path: str) -> Dialect:
    """Return how clients that ask for a path expect errors, if nothing more is known of them.

    Also of a path with something before it: the base URL may be a wrong one.
    """
    inside = f"{path.partition('?')[0].rstrip('/')}/"
    return "anthropic" if "/messages/" in inside and "/v1/" in inside else "openai"


def error_body(error: ApiError, dialect: Dialect) -> bytes:
    """Return the body of an answer that is an error."""
    return write_json(_document(error, dialect))


def error_event(error: ApiError, dialect: Dialect) -> bytes:
    """Return an error as one server-sent event, for a stream that has already begun."""
    document = _document(error, dialect)
    if dialect == "openai":
        return b"data: " + write_json(document) + b"\n\n"
    if dialect == "responses":
        told = document["error"]
        top = {name: told[name] for name in ("code", "message", "param")}
        document = {"type": "error", **top, **document}
    return b"event: error\ndata: " + write_json(document) + b"\n\n"


def _document(error: ApiError, dialect: Dialect) -> dict[str, Any]:
    document = error.document()
    if dialect != "anthropic":
        return document
    told = document["error"]
    kind = _ANTHROPIC_STATUS_TYPES.get(error.status) or _ANTHROPIC_TYPES.get(
        told["type"], told["type"]
    )
    return {"type": "error", "error": {**told, "type": kind}}
