"""The beginning and the end of every request, in one place."""

from __future__ import annotations

import time

from querylake_api.asgi import Scope
from querylake_api.observability.log_writer import LogWriter
from querylake_api.observability.logs import access_line
from querylake_api.observability.metrics import Metrics
from querylake_api.observability.request_record import RequestRecord, request_id_of

MAX_LOGGED_PATH = 200

_SILENT_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; their successes are no news."""


class Observer:
    """Opens a record for each request, and turns it into metrics and a log line at the end."""

    def __init__(self, metrics: Metrics, writer: LogWriter | None) -> None:
        self._metrics = metrics
        self._writer = writer
        self.in_flight = 0
        metrics.in_flight.set_function(lambda: self.in_flight)

    def begin(self, scope: Scope) -> RequestRecord:
        """Return the record of a request that has just arrived."""
        self.in_flight += 1
        return RequestRecord(
            request_id=request_id_of(scope["headers"]), method=scope["method"], path=scope["path"]
        )

    def finish(self, record: RequestRecord) -> None:
        """Count and log a request whose last byte has gone."""
        self.in_flight -= 1
        duration = time.perf_counter() - record.started_at
        self._metrics.observe(record, duration)
        if self._writer is None:
            return
        if record.route in _SILENT_ROUTES and record.outcome == "success":
            return
        self._writer.write(access_line(time.time(), _fields(record, duration)))


def _fields(record: RequestRecord, duration: float) -> dict[str, object]:
    first_token = record.time_to_first_token
    return {
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
        "seconds": round(duration, 6),
        "first_token_seconds": None if first_token is None else round(first_token, 6),
    }
