"""What FastAPI's dependencies and error handlers learn of a request, and can return to nobody."""

from __future__ import annotations

NOTES = "querylake.endpoint_notes"
"""Where a request's notes are found in its scope."""


class EndpointNotes:
    """Read once, when FastAPI is through with the request.

    Attributes:
        request_id: for messages to the caller.
        key_id: of the key that was authenticated.
        error_code: of the error that the caller was told.
        left: whether the client left before its body had come.
    """

    __slots__ = ("error_code", "key_id", "left", "request_id")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.key_id: str | None = None
        self.error_code: str | None = None
        self.left = False
