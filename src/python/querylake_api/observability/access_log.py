"""One line of the log for each finished request."""

# compiled: runs for each request.

from __future__ import annotations

from functools import partial

import orjson

from querylake_api.observability.log_writer import LogWriter
from querylake_api.observability.logs import timestamp
from querylake_api.requests.record import RequestRecord

MAX_LOGGED_PATH = 200

_SILENT_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; their successes are no news."""


class AccessLog:
    """Writes the lines; a `RecordSink`."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def finished(self, record: RequestRecord) -> None:
        """Queue the line of a request. It is made when it is written: nobody waits for it."""
        if record.route in _SILENT_ROUTES and record.outcome == "success":
            return
        self._writer.write_later(partial(_line, record))


def _line(record: RequestRecord) -> bytes:
    return orjson.dumps(
        {
            "time": timestamp(record.began_at + record.duration),
            "level": "info",
            "event": "request",
            "request_id": record.request_id,
            "method": record.method,
            "path": record.path[:MAX_LOGGED_PATH],
            "status": record.status,
            "outcome": record.outcome,
            "error": record.error_code,
            "detail": record.detail,
            "key": record.key_id,
            "model": record.model,
            "upstream": record.upstream,
            "assigned_stack": record.assigned_stack,
            "stack": record.stack,
            "attempts": record.attempts,
            "queued_seconds": round(record.queued_seconds, 6),
            "stream": record.streamed,
            "seconds": record.duration,
            "first_token_seconds": record.time_to_first_token,
            "gap_p95_seconds": record.gap_p95,
            "prompt_tokens": record.prompt_tokens,
            "completion_tokens": record.completion_tokens,
        }
    )
