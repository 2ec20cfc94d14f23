"""What a caller gets when the engine's answer is not a success.

A 4xx is the caller's to mend and is passed on; everything else is a fault behind QueryLake and is
told in its own words, since an engine's may hold file names, stack traces and hints at credentials.
"""

# compiled: runs for each request.

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from llm_provider.engine_errors import (
    JsonObject,
    core_died,
    error_in,
    field_in,
    reason_in,
)
from llm_provider.json_text import read_json
from llm_provider.retry_after import retry_after_seconds
from querylake_api.errors import ApiError
from querylake_api.inference.errors import (
    upstream_credentials,
    upstream_failed,
    upstream_misconfigured,
    upstream_overloaded,
    upstream_timed_out,
)

# QueryLake's own key was refused, or a proxy between us wants one.
CREDENTIALS: Final = (401, 403, 407)

_GENERATION_FAILED: Final = 424
"""How TGI says that it failed while it generated: no fault of the caller's."""

_MAX_TEXT: Final = 1000
_MAX_RETRY_AFTER: Final = 60
"""Seconds. OpenAI's clients take a longer one for none and come back after a second."""

_TITLE: Final = re.compile(rb"<title>\s*([^<]{1,200}?)\s*</title>", re.IGNORECASE)
_NO_MODEL: Final = ("not found", "not exist", "not a valid model", "invalid model", "unknown model")
_NO_ROUTE: Final = ("not found", "file not found", "page not found", "no route", "404")


class PassedOn(ApiError):
    """A refusal in the engine's words."""

    def __init__(self, status: int, error: Mapping[str, Any], retry_after: str | None) -> None:
        super().__init__(
            _without_trace(str(error["message"])),
            status=status,
            type="invalid_request_error",
            code="rejected_by_engine",
            headers={} if retry_after is None else {"retry-after": _seconds(retry_after)},
        )
        self._error = error

    def document(self) -> dict[str, Any]:
        """Return the engine's error with every field that clients count on."""
        blank = {"type": "invalid_request_error", "param": None, "code": None}
        return {"error": {**blank, **self._error, "message": self.message}}


def refusal(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    model: str,
    engine_model: str | None = None,
    error: JsonObject | None = None,
) -> ApiError:
    """Return the error that an engine's answer amounts to.

    Args:
        model: what the caller called the model.
        engine_model: what the engine calls it, which may be a path of its machine.
        error: the engine's error, if it came inside a success.
    """
    retry_after = headers.get("retry-after")
    if status in CREDENTIALS:
        return upstream_credentials(model)
    if status == 503:
        return upstream_overloaded(model, None if retry_after is None else _seconds(retry_after))
    if status == 504:
        return upstream_timed_out(model)
    if status >= 500 and (status != 501 or engine_model is None):
        return upstream_failed(model)
    if not 400 <= status < 500 or (
        engine_model is not None and is_about_target(status, body, error, engine_model)
    ):
        return upstream_misconfigured(model, status)
    told = _told(error) if error is not None else _told_in(body, status, model)
    if engine_model is not None and engine_model != model:
        told["message"] = _renamed(told["message"], engine_model, model)
    return PassedOn(status, told, retry_after)


def honest_status(status: int, body: bytes) -> int:
    """Return the status of an answer, or 500 for a refusal that is no fault of the caller's.

    vLLM 0.13 answers embeddings with 400 that were under way when its engine core died.
    """
    if not 400 <= status < 500:
        return status
    if status == _GENERATION_FAILED:
        return 500
    error = _error_of(_document(body))
    return 500 if error is not None and core_died(error) else status


def is_about_target(
    status: int, body: bytes, error: JsonObject | None, engine_model: str | None
) -> bool:
    """Return whether a refusal says that the engine lacks the model, or the route.

    Both are in the configuration, so nothing in a request can mend it. What else a 404 may be about
    is the caller's: a response that was not kept, a picture that is gone.
    """
    if status not in (400, 404):
        return status in (405, 410, 421, 426)
    document = _document(body) if error is None else None
    error = error or _error_of(document)
    reason = reason_in(error if error is not None else document).lower()
    if _names_model(error, reason, engine_model):
        return True
    if status != 404:
        return False
    return error is None or not reason or reason.rstrip(".") in _NO_ROUTE


def _names_model(error: JsonObject | None, reason: str, engine_model: str | None) -> bool:
    code = str((error or {}).get("code")).lower()
    if code in ("model_not_found", "deploymentnotfound"):
        return True
    if not any(sign in reason for sign in _NO_MODEL):
        return False
    named = engine_model is not None and engine_model.lower() in reason
    return named and "model" in reason


def _told_in(body: bytes, status: int, model: str) -> dict[str, Any]:
    """Return the error of a refusal, in OpenAI's form."""
    document = _document(body)
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(document, dict) and document.get("object") == "error":
        error = document
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        return _told(error)
    reason = _without_trace(reason_in(document)) if document is not None else _plain_text(body)
    told: dict[str, Any] = {
        "message": f"The engine of {model!r} refused the request with status {status}"
        + (f": {reason.rstrip('.')}." if reason else ".")
    }
    field = field_in(document)
    return told if field is None else {**told, "param": field}


def _told(error: JsonObject) -> dict[str, Any]:
    """Return an engine's error as one of OpenAI's: its fields, with a message that is a text."""
    kept = {name: value for name, value in error.items() if name != "object"}
    kind = kept.get("type")
    if kind == "error" or not isinstance(kind, str):
        kept.pop("type", None)
    message = error.get("message")
    if not isinstance(message, str):
        message = reason_in(error) or "The engine gave no reason."
    return {**kept, "message": message}


def _document(body: bytes) -> Any:
    try:
        return read_json(body)
    except ValueError:
        return None


def _error_of(document: Any) -> JsonObject | None:
    if isinstance(document, list) and document:
        document = document[0]
    return error_in(document) if isinstance(document, dict) else None


def _plain_text(body: bytes) -> str:
    """Return the reason in a body that is no JSON: a line of text, or the title of a page."""
    title = _TITLE.search(body)
    if title is not None:
        return title[1].decode("utf-8", "replace")
    text = body[: 4 * _MAX_TEXT].decode("utf-8", "replace").strip()[:_MAX_TEXT]
    readable = text.replace("\n", " ").replace("\t", " ").isprintable()
    return _without_trace(text) if readable and not text.startswith(("<", "{", "[")) else ""


def _seconds(retry_after: str) -> str:
    return str(max(1, min(round(retry_after_seconds(retry_after)), _MAX_RETRY_AFTER)))


def _renamed(message: str, engine_model: str, model: str) -> str:
    """Return a message with the caller's name of the model where the engine's stands in quotes."""
    for quote in "'\"`":
        message = message.replace(f"{quote}{engine_model}{quote}", f"{quote}{model}{quote}")
    return message


def _without_trace(message: str) -> str:
    """Return a message without the stack frames that vLLM appends to validation errors."""
    return message.split('\n  File "')[0].split("Traceback (most recent call last)")[0].rstrip()
