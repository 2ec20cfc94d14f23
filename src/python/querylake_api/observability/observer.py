"""The beginning and the end of every request, in one place."""

# compiled: runs for each request.

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Protocol

from querylake_api.http_server.asgi import Scope
from querylake_api.requests.handling import Handling, record_of
from querylake_api.requests.identity import RequestIdentity, new_request_ids, own_request_id
from querylake_api.requests.record import RecordSink
from querylake_api.requests.redaction import without_keys
from querylake_api.requests.trace_context import Trace
from request_replay.agreement import IDENTITY, REPLAYED

_log = logging.getLogger(__name__)


class GivesTraces(Protocol):
    """What `observability.tracing` has, which is imported only where traces are exported."""

    def begin(self, headers: list[tuple[bytes, bytes]]) -> Trace:
        """Return the trace of a request that has just arrived."""
        ...


class Observer:
    """Identifies each request, and hands its record to every sink at the end.

    Attributes:
        in_flight: requests that have begun and not ended.
    """

    def __init__(self, sinks: Sequence[RecordSink], tracer: GivesTraces | None = None) -> None:
        self._sinks = tuple(sinks)
        self._tracer = tracer
        self._ids = new_request_ids()
        self.in_flight = 0

    def begin(self, scope: Scope) -> RequestIdentity:
        """Return the identity of a request that has just arrived."""
        self.in_flight += 1
        return RequestIdentity(
            own_request_id(scope["headers"]) or next(self._ids),
            scope["method"],
            # Some put their key where it does not belong, and a log is read by others.
            without_keys(scope["path"]),
            entry_id=scope.get(IDENTITY),
            replayed=scope.get(REPLAYED, False),
            trace=None if self._tracer is None else self._tracer.begin(scope["headers"]),
        )

    def finish(self, handling: Handling) -> None:
        """Report a request whose last byte has gone, or is about to."""
        self.in_flight -= 1
        record = record_of(handling, time.perf_counter())
        for sink in self._sinks:
            try:
                sink.finished(record)
            except Exception:  # noqa: BLE001 - one sink's fault must not cost the others a request
                request_id = record.identity.request_id
                _log.exception("%s failed on request %s", type(sink).__name__, request_id)
