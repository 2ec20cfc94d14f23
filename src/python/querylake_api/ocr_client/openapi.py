"""The chapter of the OpenAPI document on `/v1/ocr`, whose answers pass through unread."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from querylake_api.error_responses.schema import ERROR_REFERENCE
from querylake_api.ocr_client.places import DOCUMENTS, PLACES

_JSON: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
_MARKDOWN: dict[str, Any] = {"text/markdown": {"schema": {"type": "string"}}}

_SUMMARIES: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("POST", DOCUMENTS): ("Convert a small document and wait for it", {**_JSON, **_MARKDOWN}),
    ("POST", "/v1/ocr/jobs"): ("Convert a document of any size as a job", _JSON),
    ("GET", "/v1/ocr/jobs"): ("List the key's own jobs, newest first", _JSON),
    ("GET", "/v1/ocr/jobs/{job_id}"): ("Return a job", _JSON),
    ("DELETE", "/v1/ocr/jobs/{job_id}"): ("End a job", _JSON),
    ("GET", "/v1/ocr/jobs/{job_id}/events"): (
        "Stream a job as it changes, to its end",
        {"text/event-stream": {}},
    ),
    ("GET", "/v1/ocr/jobs/{job_id}/result"): ("Return what a job has made", _JSON),
    ("GET", "/v1/ocr/jobs/{job_id}/markdown"): ("Return the Markdown alone", _MARKDOWN),
}

_FORM: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "pages": {"type": "string", "description": "Such as `1-3,7`; else all."},
                    "password": {"type": "string"},
                    "text_layer": {"enum": ["auto", "always", "never"]},
                    "dpi": {"type": "integer", "minimum": 72, "maximum": 600},
                    "format": {"enum": ["json", "markdown"]},
                },
            }
        },
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}
"""A form with the document in it, or the document itself with its own content type."""

_OF_A_BODY: tuple[tuple[str, str, str], ...] = (
    ("pages", "query", "Such as `1-3,7`; else all."),
    ("text_layer", "query", "`auto`, `always` or `never`."),
    ("dpi", "query", "72 to 600, for pages that are recognised."),
    ("format", "query", "`json` or `markdown`."),
    ("file_name", "query", "Tells CSV and Markdown from plain text."),
    ("x-ocr-password", "header", "Opens an encrypted PDF."),
)
"""Parameters of a request whose body is the document."""


def document_ocr_routes(app: FastAPI) -> None:
    """Add the OCR routes to an application's OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        for template, methods in PLACES.items():
            document["paths"][template] = {
                method.lower(): _operation(method, template) for method in methods
            }
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _operation(method: str, template: str) -> dict[str, Any]:
    summary, content = _SUMMARIES[method, template]
    error = {"content": {"application/json": {"schema": ERROR_REFERENCE}}}
    operation: dict[str, Any] = {
        "tags": ["ocr"],
        "summary": summary,
        "operationId": f"{method.lower()}_{_identifier(template)}",
        "security": [{"HTTPBearer": []}],
        "responses": {
            "202" if (method, template) == ("POST", "/v1/ocr/jobs") else "200": {
                "description": "The OCR service's answer.",
                "content": content,
            },
            "4XX": {"description": "The request cannot be served as it is.", **error},
            "5XX": {"description": "The OCR service failed or cannot be reached.", **error},
        },
    }
    if method == "POST":
        operation["requestBody"] = _FORM
    parameters = _parameters(method, template)
    if parameters:
        operation["parameters"] = parameters
    return operation


def _parameters(method: str, template: str) -> list[dict[str, Any]]:
    if "{job_id}" in template:
        job = {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}}
        return [job]
    if (method, template) == ("GET", "/v1/ocr/jobs"):
        schema = {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
        return [{"name": "limit", "in": "query", "schema": schema}]
    if method == "POST":
        return [
            {"name": name, "in": place, "description": meaning, "schema": {"type": "string"}}
            for name, place, meaning in _OF_A_BODY
        ]
    return []


def _identifier(template: str) -> str:
    return template.removeprefix("/v1/").replace("/", "_").replace("{", "").replace("}", "")
