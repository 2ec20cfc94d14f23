"""What callers are told when something went wrong, in the shape that OpenAI clients understand.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from ocr.errors import DocumentRefused
from ocr.service.errors import STATUS_OF_CODE, RequestRefused

ErrorType = Literal["invalid_request_error", "authentication_error", "server_error"]

_log = logging.getLogger(__name__)

_SHOWN_PATH = 200
"""Characters of a path that an answer repeats."""


def refusal(
    message: str,
    *,
    status: int,
    code: str,
    type: ErrorType = "invalid_request_error",
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an answer that is not a success."""
    document = {"error": {"message": message, "type": type, "param": param, "code": code}}
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
            f"There is nothing at {request.method} {path}. See /docs for what there is.",
            status=404,
            code="unknown_url",
        )
    return refusal(
        f"{request.method} {path}: {error.detail}. See /docs for what there is.",
        status=error.status_code,
        code="method_not_allowed" if error.status_code == 405 else "invalid_request",
        headers=error.headers,
    )


async def refused_document(request: Request, error: Exception) -> JSONResponse:
    """Answer for a document that cannot be converted."""
    assert isinstance(error, DocumentRefused)
    message = f"The document cannot be converted: {error}."
    # The connection stays, and the server drops the rest of a document that is too large: closed
    # under a client that still sends, it would be reset, and the answer with it.
    status = STATUS_OF_CODE.get(error.code, 422)
    return refusal(message, status=status, code=error.code, param="file")


async def refused_request(request: Request, error: Exception) -> JSONResponse:
    """Answer for a request that its caller can mend."""
    assert isinstance(error, RequestRefused)
    type: ErrorType = "server_error" if error.status >= 500 else "invalid_request_error"
    return refusal(str(error), status=error.status, code=error.code, type=type, param=error.param)


async def wrong_value(request: Request, error: Exception) -> JSONResponse:
    """Answer for a parameter that is not what it should be."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    return refusal(f"{name}: {first['msg']}.", status=400, code="invalid_value", param=name)


async def client_left(request: Request, error: Exception) -> Response:
    """Answer to nobody: whoever sent a document went away in the middle of it."""
    return Response(status_code=499)


async def storage_failed(request: Request, error: Exception) -> JSONResponse:
    """Answer for a disk that takes no more. The log has it too."""
    assert isinstance(error, OSError)
    _log.error("a document cannot be kept: %s", error)
    return refusal(
        f"The document cannot be kept: {error.strerror}. Try again later.",
        status=507,
        code="storage_failed",
        type="server_error",
    )


async def internal_error(request: Request, error: Exception) -> JSONResponse:
    """Answer for a fault of ours. What it was is in the log, where the server puts it."""
    return refusal(
        "The service failed to handle this request; its log says why.",
        status=500,
        code="internal_error",
        type="server_error",
    )
