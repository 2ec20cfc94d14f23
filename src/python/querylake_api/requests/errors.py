"""What can be wrong with how a request arrives."""

from __future__ import annotations

from querylake_api.errors import ApiError, invalid_request


def body_too_large(limit: int) -> ApiError:
    """The request is larger than the server takes."""
    return invalid_request(
        f"The request body is larger than the limit of {limit} bytes. Send a smaller one.",
        status=413,
        code="request_too_large",
    )


def too_many_values(limit: int) -> ApiError:
    """To parse the request would hold up everybody else's."""
    return invalid_request(
        f"The request body has more than {limit} JSON values. Send fewer in one request.",
        status=413,
        code="request_too_large",
    )


def too_much_text(limit: int) -> ApiError:
    """To parse the request would hold up everybody else's."""
    return invalid_request(
        f"The request body has more than {limit} bytes of text with escapes or characters beyond "
        "ASCII. Send less in one request.",
        status=413,
        code="request_too_large",
    )


def body_too_slow(seconds: float) -> ApiError:
    """The request did not arrive in time."""
    return invalid_request(
        f"The request body did not arrive within {seconds:g} s. Send it again.",
        status=408,
        code="request_timeout",
    )
