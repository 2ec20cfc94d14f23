"""The package's error tree, in two branches: what a caller is told, and what an operator is told.

Every message is a sentence that says what happened, with which value, and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

ErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "rate_limit_error",
    "upstream_error",
    "server_error",
]

EX_DATAERR = 65
"""Exit code: a file that was to be read has faults (sysexits.h)."""

EX_UNAVAILABLE = 69
"""Exit code: something this program needs is missing or taken (sysexits.h)."""

EX_CONFIG = 78
"""Exit code: the configuration is wrong, so starting again will not help (sysexits.h)."""


class QueryLakeError(Exception):
    """Root of everything this package raises on purpose."""


class OperatorError(QueryLakeError):
    """A command cannot go on; its message is for the person at the terminal.

    Attributes:
        exit_code: what the process ends with.
    """

    exit_code = EX_UNAVAILABLE


class ApiError(QueryLakeError):
    """An answer that is not a success, in the shape that OpenAI clients understand.

    https://platform.openai.com/docs/guides/error-codes

    Attributes:
        status: the HTTP status.
        type: the class of the error, for programs.
        code: the exact error, for programs.
        param: the field of the request that is at fault, if one is.
        headers: extra response headers, e.g. `retry-after`.
        detail: what happened behind us, for the log only.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: ErrorType,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.headers = dict(headers or {})
        self.detail: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the body as a JSON object."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


def invalid_request(
    message: str, *, status: int = 400, code: str = "invalid_request", param: str | None = None
) -> ApiError:
    """Return an error that the caller can mend by sending another request."""
    return ApiError(message, status=status, type="invalid_request_error", code=code, param=param)


def not_http(reason: str, status: int = 400) -> ApiError:
    """What a client sent is no request, or none that is framed beyond doubt."""
    return invalid_request(
        f"This is not a valid HTTP/1.1 request: {reason}. Use an HTTP client, and mind whether the "
        "server expects http or https.",
        status=status,
        code="invalid_http",
    )


def head_too_large(limit: int) -> ApiError:
    """A client's URL and headers are more than anybody needs."""
    return invalid_request(
        f"The URL and the headers of this request are larger than {limit} bytes. Send what is long "
        "in the body.",
        status=431,
        code="head_too_large",
    )


def head_too_slow(seconds: float) -> ApiError:
    """A client has begun a request and not come to the end of its headers."""
    return invalid_request(
        f"The headers of this request did not arrive within {seconds:g} s. Send it again.",
        status=408,
        code="request_timeout",
    )


def too_many_connections() -> ApiError:
    """As many clients are connected as can be, and none of them is idle."""
    return ApiError(
        "Too many clients are connected. Send the request again, or keep fewer connections.",
        status=503,
        type="server_error",
        code="too_many_connections",
        headers={"retry-after": "1"},
    )


def internal_error(request_id: str) -> ApiError:
    """Return what a caller is told of a fault of ours; the log has the rest."""
    return ApiError(
        f"QueryLake failed to handle this request. Report it with request id {request_id}.",
        status=500,
        type="server_error",
        code="internal_error",
    )


def shutting_down() -> ApiError:
    """The drain timeout passed while this request was in flight."""
    return ApiError(
        "QueryLake is shutting down and could not finish this request. Send it again.",
        status=503,
        type="server_error",
        code="shutting_down",
        headers={"retry-after": "1"},
    )
