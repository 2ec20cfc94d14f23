"""Finished requests as spans in OTLP's JSON form.

Names and attributes follow OpenTelemetry's conventions for HTTP servers and for generative AI
clients (in development, as of their release 1.38); what they lack is under `querylake.`.
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from querylake_api.requests.record import RequestRecord
from querylake_api.requests.trace_context import Trace
from querylake_version import VERSION

_SERVER, _CLIENT = 2, 3
_ERROR = 2

_OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/messages": "chat",
    "/v1/responses": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}
"""Well-known values of `gen_ai.operation.name`. There is none for reranking."""

_FINE = ("success", "client_error", "client_abort")

Value = str | int | float | bool | None


def export_request(records: Iterable[RequestRecord], service: str) -> bytes:
    """Return the body of an `ExportTraceServiceRequest` for requests that have a trace."""
    spans = [span for record in records for span in _spans(record)]
    resource = {
        "service.name": service,
        "service.version": VERSION,
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
    }
    return orjson.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": _attributes(resource)},
                    "scopeSpans": [
                        {"scope": {"name": "querylake_api", "version": VERSION}, "spans": spans}
                    ],
                }
            ]
        }
    )


def _spans(record: RequestRecord) -> list[dict[str, Any]]:
    trace = record.trace
    if trace is None:
        return []
    spans = [_request_span(record, trace)]
    if trace.sent_at is not None:
        spans.append(_engine_span(record, trace, trace.sent_at))
    return spans


def _request_span(record: RequestRecord, trace: Trace) -> dict[str, Any]:
    failed = record.status >= 500 or record.outcome not in _FINE
    span = _span(
        record,
        trace.request_span,
        trace.parent,
        f"{record.method} {record.route}".rstrip(),
        _SERVER,
        record.started_at,
        failed,
    )
    span["attributes"] = _attributes(
        {
            "http.request.method": record.method,
            "http.route": record.route or None,
            "http.response.status_code": record.status or None,
            "error.type": _error(record) if failed else None,
            "querylake.request_id": record.request_id,
            "querylake.key_id": record.key_id,
            "querylake.outcome": record.outcome,
            "querylake.queued_seconds": record.queued_seconds or None,
        }
    )
    return span


def _engine_span(record: RequestRecord, trace: Trace, sent_at: float) -> dict[str, Any]:
    operation = _OPERATIONS.get(record.route, "rerank")
    failed = record.outcome not in _FINE
    name = f"{operation} {record.model}"
    span = _span(record, trace.engine_span, trace.request_span, name, _CLIENT, sent_at, failed)
    span["attributes"] = _attributes(
        {
            "gen_ai.operation.name": operation,
            # The form that is spoken, whatever the engine is called.
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": record.model,
            "gen_ai.usage.input_tokens": record.prompt_tokens,
            "gen_ai.usage.output_tokens": record.completion_tokens,
            "error.type": _error(record) if failed else None,
            "querylake.upstream": record.upstream,
            "querylake.stack": record.stack,
            "querylake.stream": record.streamed,
            "querylake.attempts": record.attempts,
            "querylake.first_token_seconds": record.time_to_first_token,
            "querylake.gap_p95_seconds": record.gap_p95,
        }
    )
    return span


def _span(
    record: RequestRecord,
    span_id: str,
    parent: str | None,
    name: str,
    kind: int,
    start: float,
    failed: bool,
) -> dict[str, Any]:
    assert record.trace is not None
    assert record.finished_at is not None
    span: dict[str, Any] = {
        "traceId": record.trace.trace_id,
        "spanId": span_id,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": _nanoseconds(record, start),
        "endTimeUnixNano": _nanoseconds(record, record.finished_at),
        "status": {"code": _ERROR} if failed else {},
    }
    if parent is not None:
        span["parentSpanId"] = parent
    return span


def _error(record: RequestRecord) -> str:
    return record.error_code or record.outcome or "server_error"


def _nanoseconds(record: RequestRecord, moment: float) -> str:
    return str(int((record.began_at + moment - record.started_at) * 1e9))


def _attributes(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": _value(value)} for key, value in values.items() if value is not None
    ]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        # 64-bit integers are strings in protobuf's JSON.
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value}
