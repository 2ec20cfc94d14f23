"""What callers are told when something went wrong, in the shape that OpenAI clients understand.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from querylake_version import VERSION

ErrorType = Literal["invalid_request_error", "authentication_error"]

_SHOWN_PATH = 200
"""Characters of a path that an answer repeats."""


def refusal(
    message: str,
    *,
    status: int,
    code: str,
    type: ErrorType = "invalid_request_error",
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an answer that is not a success."""
    document = {"error": {"message": message, "type": type, "param": None, "code": code}}
    return JSONResponse(document, status, headers=headers)


def wrong_key() -> JSONResponse:
    """The key is missing, or is another one."""
    return refusal(
        "A valid key is needed here. Send the one in OCR_API_KEY as `Authorization: Bearer KEY`.",
        status=401,
        type="authentication_error",
        code="invalid_api_key",
        headers={"www-authenticate": "Bearer"},
    )


async def http_error(request: Request, error: Exception) -> JSONResponse:
    """Answer for what the router refuses."""
    assert isinstance(error, HTTPException)
    path = request.url.path[:_SHOWN_PATH]
    if error.status_code == 404:
        return refusal(
            f"There is nothing at {request.method} {path}: converting over HTTP is not part of "
            f"this version, {VERSION}. See /docs for what there is.",
            status=404,
            code="unknown_url",
        )
    return refusal(
        f"{request.method} {path}: {error.detail}. See /docs for what there is.",
        status=error.status_code,
        code="method_not_allowed" if error.status_code == 405 else "invalid_request",
        headers=error.headers,
    )
