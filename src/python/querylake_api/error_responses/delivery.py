"""Sending an error to the client, in whatever way the response allows at that point."""

from __future__ import annotations

from querylake_api.error_responses.dialects import error_body, error_event
from querylake_api.errors import ApiError
from querylake_api.http_server.asgi import Send, send_document
from querylake_api.requests.record import Outcome, RequestRecord, outcome_of_status


async def tell(send: Send, error: ApiError, record: RequestRecord) -> None:
    """Tell the client of an error, in whatever way it can still be told, and note it.

    Before the first byte it is an answer of its own, in a stream it is the last event, and in a
    document that has begun it can only be a broken connection.
    """
    if record.outcome is not None:
        return
    if record.streaming:
        record.settle(200, outcome_of(error), error.code)
        event = error_event(error, record.dialect)
        last = {"type": "http.response.body", "body": event, "more_body": False}
        await send(last)
        return
    record.settle(error.status, outcome_of(error), error.code)
    await send_document(
        send,
        error.status,
        error_body(error, record.dialect),
        request_id=record.request_id,
        headers=(
            *record.headers,
            *((name.encode(), value.encode()) for name, value in error.headers.items()),
        ),
    )


def outcome_of(error: ApiError) -> Outcome:
    """Return what an error says about the request that ended with it."""
    if error.type == "upstream_error":
        return "upstream_error"
    if error.code == "shutting_down":
        return "shutdown"
    return outcome_of_status(error.status)
