"""The package's error tree, in two branches: what a caller is told, and what an operator is told.

Every message is a sentence that says what happened, with which value, and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

EX_UNAVAILABLE = 69
"""Exit code: something this program needs is missing or taken (sysexits.h)."""

EX_SOFTWARE = 70
"""Exit code: a part of this program broke (sysexits.h)."""

EX_CONFIG = 78
"""Exit code: what was asked for on the command line cannot be had (sysexits.h)."""


class CpuRuntimeError(Exception):
    """Root of everything this package raises on purpose."""


class OperatorError(CpuRuntimeError):
    """A command cannot go on; its message is for the person at the terminal.

    Attributes:
        exit_code: what the process ends with.
    """

    exit_code = EX_UNAVAILABLE


class OptionsUnusable(OperatorError):
    """The options, or the environment, contradict each other or are not safe."""

    exit_code = EX_CONFIG


class ModelUnusable(OperatorError):
    """A model's file is missing, damaged, or of the wrong kind."""

    exit_code = EX_CONFIG


class CacheUnusable(OperatorError):
    """The cache folder cannot be written."""


class AddressUnusable(OperatorError):
    """The address is taken, not of this machine, or may not be used."""


class EngineDied(OperatorError):
    """An engine ended by itself."""

    exit_code = EX_SOFTWARE


class RequestError(CpuRuntimeError):
    """An answer that is not a success, in the shape that OpenAI clients understand.

    https://platform.openai.com/docs/guides/error-codes

    Attributes:
        status: the HTTP status.
        type: the class of the error, for programs.
        code: the exact error, for programs.
        param: the field of the request that is at fault, if one is.
        headers: extra response headers, e.g. `retry-after`.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        code: str = "invalid_request",
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

    def body(self) -> bytes:
        """Return the body of the answer."""
        error = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        return orjson.dumps({"error": error})

    def event(self) -> bytes:
        """Return the error as one server-sent event, for a stream that has already begun."""
        return b"data: " + self.body() + b"\n\n"


class BeyondContext(RequestError):
    """A prompt that is longer than what the model can take.

    Attributes:
        tokens: the prompt's.
        limit: how many fit.
    """

    def __init__(self, message: str, tokens: int, limit: int) -> None:
        super().__init__(message, code="context_length_exceeded")
        self.tokens = tokens
        self.limit = limit


def invalid(message: str, param: str | None = None, code: str = "invalid_value") -> RequestError:
    """Return an error that the caller can mend by changing a field."""
    return RequestError(message, param=param, code=code)


def beyond_context(tokens: int, limit: int) -> BeyondContext:
    """Return an error for a prompt that is too long."""
    return BeyondContext(
        f"This model's maximum context length is {limit} tokens, and the request has {tokens}. "
        "Shorten it.",
        tokens,
        limit,
    )


def engine_failed(message: str) -> RequestError:
    """Return an error for an engine that could not do its work."""
    return RequestError(message, status=500, type="server_error", code="engine_error")


def engine_unavailable(name: str) -> RequestError:
    """Return an error for an engine that does not answer, or stopped in the middle."""
    return RequestError(
        f"The engine of {name} broke off. Send the request again.",
        status=503,
        type="server_error",
        code="engine_unavailable",
        headers={"retry-after": "1"},
    )


def loading() -> RequestError:
    """Return an error for a request that comes before the models are there."""
    return RequestError(
        "The models are still being loaded. Send the request again in a moment.",
        status=503,
        type="server_error",
        code="loading",
        headers={"retry-after": "1"},
    )


def overloaded(name: str, waiting: int) -> RequestError:
    """Return an error for a request that finds too many others waiting."""
    return RequestError(
        f"{waiting} requests already wait for {name}. Send the request again later.",
        status=429,
        type="rate_limit_error",
        code="overloaded",
        headers={"retry-after": "5"},
    )


def shutting_down() -> RequestError:
    """The server is asked to stop, and this request could not be finished in time."""
    return RequestError(
        "The server is shutting down and could not finish this request. Send it again.",
        status=503,
        type="server_error",
        code="shutting_down",
        headers={"retry-after": "1"},
    )


def internal_error() -> RequestError:
    """Return what a caller is told of a fault of ours; standard error has the rest."""
    return RequestError(
        "The server failed to handle this request; its standard error says why.",
        status=500,
        type="server_error",
        code="internal_error",
    )
