"""The beginning and the end of every request, in one place."""

# compiled: runs for each request.

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from querylake_api.http_server.asgi import Scope
from querylake_api.observability.tracing import Tracer
from querylake_api.requests.record import (
    Journal,
    RecordSink,
    RequestRecord,
    new_request_ids,
    own_request_id,
)
from querylake_api.requests.redaction import without_keys
from request_replay.agreement import IDENTITY, REPLAYED

_log = logging.getLogger(__name__)


class Observer:
    """Opens a record for each request, and hands it to every sink at the end.

    Attributes:
        in_flight: requests that have begun and not ended.
    """

    def __init__(
        self,
        sinks: Sequence[RecordSink],
        journal: Journal | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._sinks = tuple(sinks)
        self._journal = journal
        self._tracer = tracer
        self._ids = new_request_ids()
        self.in_flight = 0

    def begin(self, scope: Scope) -> RequestRecord:
        """Return the record of a request that has just arrived."""
        self.in_flight += 1
        return RequestRecord(
            request_id=own_request_id(scope["headers"]) or next(self._ids),
            method=scope["method"],
            # Some put their key where it does not belong, and a log is read by others.
            path=without_keys(scope["path"]),
            journal=self._journal,
            ledger_id=scope.get(IDENTITY),
            replayed=scope.get(REPLAYED, False),
            trace=None if self._tracer is None else self._tracer.begin(scope["headers"]),
        )

    def finish(self, record: RequestRecord) -> None:
        """Close the record of a request whose last byte has gone, or is about to."""
        self.in_flight -= 1
        record.finish(time.perf_counter())
        for sink in self._sinks:
            try:
                sink.finished(record)
            except Exception:  # noqa: BLE001 - one sink's fault must not cost the others a request
                _log.exception("%s failed on request %s", type(sink).__name__, record.request_id)
