"""Sending an error to the client, in whatever way the response allows at that point."""

from __future__ import annotations

from querylake_api.error_responses.dialects import error_body, error_event
from querylake_api.errors import ApiError
from querylake_api.http_server.asgi import JSON_HEADERS
from querylake_api.http_server.exchange import Exchange
from querylake_api.requests.dialect import Dialect
from querylake_api.requests.record import Outcome, ResponseEnding, outcome_of_status


async def send_error(exchange: Exchange, error: ApiError, dialect: Dialect) -> ResponseEnding:
    """Tell the client of an error, in whatever way it can still be told, and return that ending.

    Before the first byte it is a response of its own, and in a stream it is the last event. In a
    document that has begun nothing can be said any more: it stays without its end, so that the
    server breaks the connection.
    """
    status = exchange.status
    if exchange.streaming:
        exchange.end(error_event(error, dialect))
    elif not status and not exchange.ended:
        status = error.status
        headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
        await exchange.respond(status, (*JSON_HEADERS, *headers), error_body(error, dialect))
    return ResponseEnding(status, outcome_of(error), error.code, error.detail)


def outcome_of(error: ApiError) -> Outcome:
    """Return what an error says about the request that ended with it."""
    if error.type == "upstream_error":
        return "upstream_error"
    if error.code == "shutting_down":
        return "shutdown"
    return outcome_of_status(error.status)
