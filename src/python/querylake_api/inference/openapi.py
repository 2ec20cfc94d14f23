"""The hot routes' chapter of the OpenAPI document.

They are served ahead of FastAPI and their bodies pass through unread, so what is written here is
for readers: the fields that matter, `additionalProperties`, and an example of each.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from querylake_api.error_responses.schema import ERROR_REFERENCE
from querylake_api.inference.routes import ENDPOINTS

_MODEL: dict[str, Any] = {"type": "string", "minLength": 1, "description": "An id or an alias."}
_STREAM: dict[str, Any] = {"type": ["boolean", "null"], "default": False}

_RERANK: tuple[str, dict[str, Any], list[str], dict[str, Any]] = (
    "Order documents by how well they fit a query",
    {
        "query": {"type": "string"},
        "documents": {
            "type": "array",
            "items": {"type": ["string", "object"]},
            "description": "Texts, or objects with `text`.",
        },
        "top_n": {"type": ["integer", "null"], "minimum": 1},
        "return_documents": {"type": ["boolean", "null"]},
    },
    ["query", "documents"],
    {
        "model": "embedder",
        "query": "fresh water",
        "documents": ["a lake", "a desert"],
        "top_n": 1,
    },
)

_BODIES: dict[str, tuple[str, dict[str, Any], list[str], dict[str, Any]]] = {
    "/v1/chat/completions": (
        "Answer a conversation",
        {"messages": {"type": "array", "items": {"type": "object"}}, "stream": _STREAM},
        ["messages"],
        {
            "model": "default",
            "messages": [{"role": "user", "content": "What is the capital of France?"}],
            "max_tokens": 32,
            "stream": True,
        },
    ),
    "/v1/completions": (
        "Continue a text",
        {"prompt": {}, "stream": _STREAM},
        ["prompt"],
        {"model": "default", "prompt": "The capital of France is", "max_tokens": 8},
    ),
    "/v1/responses": (
        "Answer a conversation, in the form of OpenAI's Responses",
        {"input": {}, "stream": _STREAM},
        ["input"],
        {"model": "default", "input": "What is the capital of France?", "max_output_tokens": 32},
    ),
    "/v1/messages": (
        "Answer a conversation, in the form of Anthropic's Messages",
        {
            "messages": {"type": "array", "items": {"type": "object"}},
            "max_tokens": {"type": "integer", "minimum": 1},
            "stream": _STREAM,
        },
        ["messages", "max_tokens"],
        {
            "model": "default",
            "messages": [{"role": "user", "content": "What is the capital of France?"}],
            "max_tokens": 32,
        },
    ),
    "/v1/messages/count_tokens": (
        "Count the tokens of a conversation, where the engine can",
        {"messages": {"type": "array", "items": {"type": "object"}}},
        ["messages"],
        {
            "model": "default",
            "messages": [{"role": "user", "content": "What is the capital of France?"}],
        },
    ),
    "/v1/embeddings": (
        "Turn texts into vectors",
        {"input": {}},
        ["input"],
        {"model": "embedder", "input": ["a lake", "a sea"]},
    ),
    **{path: _RERANK for path in ("/v1/rerank", "/v2/rerank", "/rerank")},
}

_ERROR_STATUSES = {
    "400": "The request is malformed, or the model cannot do this.",
    "401": "No valid API key.",
    "403": "The key may not use this endpoint or this model.",
    "404": "No such model.",
    "408": "The request did not arrive in time.",
    "413": "The request is too large.",
    "429": "Too many requests; `Retry-After` says when to come back.",
    "502": "The engine failed.",
    "503": "The engine cannot be reached or takes no more.",
    "504": "The engine did not answer in time.",
}


def document_inference_routes(app: FastAPI) -> None:
    """Add the hot routes to an application's OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        for endpoint in ENDPOINTS:
            document["paths"][endpoint.path] = {"post": _operation(endpoint.path, endpoint.streams)}
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _operation(path: str, streams: bool) -> dict[str, Any]:
    summary, properties, required, example = _BODIES[path]
    answer: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    if streams:
        answer["text/event-stream"] = {}
    return {
        "tags": ["inference"],
        "summary": summary,
        "description": "Fields that are not listed here reach the engine untouched.",
        "operationId": path.removeprefix("/v1/").strip("/").replace("/", "_"),
        "security": [{"HTTPBearer": []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {"model": _MODEL, **properties},
                        "required": ["model", *required],
                        "additionalProperties": True,
                    },
                    "example": example,
                }
            },
        },
        "responses": {
            "200": {"description": "The engine's answer.", "content": answer},
            **{
                status: {
                    "description": description,
                    "content": {"application/json": {"schema": ERROR_REFERENCE}},
                }
                for status, description in _ERROR_STATUSES.items()
            },
        },
    }
