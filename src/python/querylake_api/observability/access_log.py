"""One line of the log for each finished request."""

# compiled: runs for each request.

from __future__ import annotations

from functools import partial
from typing import Final

import orjson

from querylake_api.observability.log_writer import LogWriter
from querylake_api.observability.logs import timestamp
from querylake_api.requests.record import RequestRecord

MAX_LOGGED_PATH: Final = 200

_SILENT_ROUTES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; their successes are no news."""


class AccessLog:
    """Writes the lines; a `RecordSink`."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def finished(self, record: RequestRecord) -> None:
        """Queue the line of a request. It is made when it is written: nobody waits for it."""
        if record.workload.route in _SILENT_ROUTES and record.ending.outcome == "success":
            return
        self._writer.write_later(partial(_line, record))


def _line(record: RequestRecord) -> bytes:
    return orjson.dumps(
        {
            "time": timestamp(record.identity.began_at + record.timing.duration),
            "level": "info",
            "event": "request",
            "request_id": record.identity.request_id,
            "method": record.identity.method,
            "path": record.identity.path[:MAX_LOGGED_PATH],
            "status": record.ending.status,
            "outcome": record.ending.outcome,
            "error": record.ending.error_code,
            "detail": record.ending.detail,
            "key": record.workload.key_id,
            "model": record.workload.model,
            "upstream": record.engines.upstream,
            "assigned_stack": record.engines.assigned_stack,
            "stack": record.engines.stack,
            "attempts": record.engines.count,
            "queued_seconds": round(record.engines.queued_seconds, 6),
            "stream": record.workload.streamed,
            "seconds": record.timing.duration,
            "first_token_seconds": record.timing.first_token,
            "gap_p95_seconds": record.timing.gap_p95,
            "prompt_tokens": record.content.prompt_tokens,
            "completion_tokens": record.content.completion_tokens,
        }
    )
