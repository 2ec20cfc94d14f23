"""Errors for URLs and methods that nothing serves."""

from __future__ import annotations

from querylake_api.errors import ApiError, invalid_request


def unknown_url(method: str, path: str) -> ApiError:
    """Nothing is served there."""
    return invalid_request(
        f"There is nothing at {method} {path[:200]}. See /docs for what there is.",
        status=404,
        code="unknown_url",
    )


def wrong_method(method: str, path: str, allow: str) -> ApiError:
    """Something is served there, but not to this method."""
    error = invalid_request(
        f"{path[:200]} does not take {method}. Use {allow or 'another method'}.",
        status=405,
        code="method_not_allowed",
    )
    if allow:
        error.headers["allow"] = allow
    return error
