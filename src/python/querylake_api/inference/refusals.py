"""What a caller gets when the engine's answer is not a success.

A 4xx is the caller's to mend and is passed on; everything else is a fault behind QueryLake and is
told in its own words, since an engine's may hold file names, stack traces and hints at credentials.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from querylake_api.errors import ApiError
from querylake_api.inference.errors import (
    upstream_credentials,
    upstream_failed,
    upstream_nonsense,
    upstream_overloaded,
    upstream_timed_out,
)

# QueryLake's own key was refused, or a proxy between us wants one.
_CREDENTIALS = (401, 403, 407)

_CORE_DIED = "EngineCore encountered an issue"
"""How vLLM begins to say that its engine core has died, and with it every request in there."""


class PassedOn(ApiError):
    """A refusal in the engine's words."""

    def __init__(self, status: int, error: Mapping[str, Any], retry_after: str | None) -> None:
        super().__init__(
            _without_trace(str(error["message"])),
            status=status,
            type="invalid_request_error",
            code="rejected_by_engine",
            headers={} if retry_after is None else {"retry-after": retry_after},
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
) -> ApiError:
    """Return the error that an engine's answer amounts to.

    Args:
        model: what the caller called the model.
        engine_model: what the engine calls it, which may be a path of its machine.
    """
    retry_after = headers.get("retry-after")
    if status in _CREDENTIALS:
        return upstream_credentials(model)
    if 400 <= status < 500:
        error = _openai_error(body) or {"message": _plain_message(body, status, model)}
        if engine_model is not None and engine_model != model:
            error["message"] = _renamed(error["message"], engine_model, model)
        return PassedOn(status, error, retry_after)
    if status == 503:
        return upstream_overloaded(model, retry_after)
    if status == 504:
        return upstream_timed_out(model)
    return upstream_failed(model) if status >= 500 else upstream_nonsense(model)


def error_in_success(body: bytes, model: str, engine_model: str | None = None) -> ApiError | None:
    """Return the error inside an answer that came with 200, or None if there is none.

    vLLM 0.13 answers so when a model cannot do what was asked of it.
    """
    if not body.lstrip().startswith((b'{"error"', b'{"object":"error"')):
        return None
    error = _openai_error(body)
    if error is None:
        return None
    code = error.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return refusal(honest_status(status, body), {}, body, model, engine_model)


def honest_status(status: int, body: bytes) -> int:
    """Return the status of an answer, or 500 for a refusal that is no fault of the caller's.

    vLLM 0.13 answers embeddings with 400 that were under way when its engine core died.
    """
    if not 400 <= status < 500:
        return status
    error = _openai_error(body)
    return 500 if error is not None and error["message"].startswith(_CORE_DIED) else status


def _openai_error(body: bytes) -> dict[str, Any] | None:
    """Return the error object of a body, in OpenAI's form or in the flat one of older engines."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    error = document if document.get("object") == "error" else document.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    return {key: value for key, value in error.items() if key != "object"}


def _plain_message(body: bytes, status: int, model: str) -> str:
    """Return a sentence for a refusal in another form, e.g. FastAPI's `{"detail": …}`."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    detail = document.get("detail") if isinstance(document, dict) else None
    reason = f": {_without_trace(detail)}" if isinstance(detail, str) else ""
    return f"The engine of {model!r} refused the request with status {status}{reason}."


def _renamed(message: str, engine_model: str, model: str) -> str:
    """Return a message with the caller's name of the model where the engine's stands in quotes."""
    for quote in "'\"`":
        message = message.replace(f"{quote}{engine_model}{quote}", f"{quote}{model}{quote}")
    return message


def _without_trace(message: str) -> str:
    """Return a message without the stack frames that vLLM appends to validation errors."""
    return message.split('\n  File "')[0].split("Traceback (most recent call last)")[0].rstrip()
