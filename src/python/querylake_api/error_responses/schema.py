"""What the OpenAPI document says of errors: one shape for all, as `errors.ApiError` writes it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class ErrorDetail(BaseModel):
    """What went wrong.

    Attributes:
        message: what happened, and what to do.
        type: the class of the error.
        param: the field of the request that is at fault.
        code: the exact error; an engine may send a number.
    """

    message: str
    type: str
    param: str | None
    code: str | int | None


class ErrorAnswer(BaseModel):
    """Every answer that is not a success."""

    error: ErrorDetail


ERROR_REFERENCE = {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}

ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request cannot be served as it is.", "model": ErrorAnswer},
    "5XX": {"description": "The server, or what it depends on, failed.", "model": ErrorAnswer},
}
"""For every route that does not say something else of such a status."""
