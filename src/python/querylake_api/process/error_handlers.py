"""Every error that FastAPI can raise, in the one shape that clients know."""

from __future__ import annotations

from typing import cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from querylake_api.configuration.problems import key_path, plain_reason
from querylake_api.error_responses.dialects import dialect_of, error_body
from querylake_api.error_responses.unserved_urls import unknown_url, wrong_method
from querylake_api.errors import ApiError, internal_error, invalid_request
from querylake_api.keys.errors import database_unavailable
from querylake_api.persistence.errors import DatabaseUnavailable, ValueRefused
from querylake_api.requests.endpoint_notes import NOTES, EndpointNotes

_PARTS_OF_REQUEST = ("body", "query", "path", "header", "cookie")


def add_error_handlers(app: FastAPI) -> None:
    """Make an application answer every error as OpenAI's API would."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(DatabaseUnavailable, _database_unavailable)
    app.add_exception_handler(ValueRefused, _value_refused)
    app.add_exception_handler(Exception, _unforeseen)


def _response(request: Request, error: ApiError) -> Response:
    notes: EndpointNotes = request.scope[NOTES]
    notes.error_code = error.code
    return Response(
        error_body(error, dialect_of(request.url.path)),
        error.status,
        headers=error.headers,
        media_type="application/json",
    )


async def _api_error(request: Request, error: Exception) -> Response:
    return _response(request, cast("ApiError", error))


async def _database_unavailable(request: Request, _: Exception) -> Response:
    return _response(request, database_unavailable())


async def _value_refused(request: Request, error: Exception) -> Response:
    """Answer for a value that passed every check of ours, and that PostgreSQL cannot take."""
    refused = cast("ValueRefused", error)
    given = {**request.path_params, **request.query_params}
    params = (name for name, value in given.items() if _is_unusual(str(value)))
    param = next(params, None)
    subject = "A value of this request" if param is None else f"{param}: this value"
    return _response(
        request,
        invalid_request(
            f"{subject} cannot be stored or searched for: {refused.reason}.",
            status=422,
            code="invalid_value",
            param=param,
        ),
    )


def _is_unusual(value: str) -> bool:
    """Return whether a value is of a kind that no column takes: a NUL, a number beyond 64 bits."""
    return "\0" in value or len(value.lstrip("-0")) > 18 and value.lstrip("-").isdecimal()


async def _unforeseen(request: Request, _: Exception) -> Response:
    """Answer for a fault of ours. Starlette raises it again, so the outermost layer logs it."""
    notes: EndpointNotes = request.scope[NOTES]
    return _response(request, internal_error(notes.request_id))


async def _http_exception(request: Request, error: Exception) -> Response:
    raised = cast("HTTPException", error)
    if raised.status_code == 404:
        served = _served(request.app)
        return _response(request, unknown_url(request.method, request.url.path, served))
    if raised.status_code == 405:
        allow = _allowed(request, (raised.headers or {}).get("Allow", ""))
        return _response(request, wrong_method(request.method, request.url.path, allow))
    return _response(
        request,
        invalid_request(str(raised.detail), status=raised.status_code),
    )


def _served(app: FastAPI) -> dict[str, str]:
    """Return the methods of everything that is served, by path, but of paths with parameters."""
    return {
        path: ", ".join(method.upper() for method in methods)
        for path, methods in app.openapi()["paths"].items()
        if "{" not in path and path != "/"
    }


def _allowed(request: Request, named: str) -> str:
    """Return the methods of a path. Each has a route of its own, of which Starlette names one's.

    Args:
        named: what Starlette says, for paths that the documents do not have.
    """
    methods = {method for method in named.split(", ") if method}
    for template, documented in request.app.openapi()["paths"].items():
        if compile_path(template)[0].match(request.url.path):
            methods.update(method.upper() for method in documented)
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods))


async def _validation_error(request: Request, error: Exception) -> Response:
    problems = cast("RequestValidationError", error).errors()
    first = problems[0]
    if first["type"] == "json_invalid":
        reason = first["ctx"]["error"]
        return _response(
            request,
            invalid_request(f"The request body is not valid JSON: {reason}.", code="invalid_json"),
        )
    sentences = [
        f"{_param(problem['loc'])}: {plain_reason(problem['msg'])}" for problem in problems
    ]
    return _response(
        request,
        invalid_request(
            "; ".join(sentences), status=422, code="invalid_value", param=_param(first["loc"])
        ),
    )


def _param(location: tuple[str | int, ...]) -> str:
    inside = location[1:] if location[0] in _PARTS_OF_REQUEST else location
    return key_path(inside) or str(location[0])
