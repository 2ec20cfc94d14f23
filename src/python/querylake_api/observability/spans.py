"""Finished requests as OpenTelemetry spans.

Names and attributes follow OpenTelemetry's conventions for HTTP servers and for generative AI
clients (in development, as of their release 1.38); what they lack is under `querylake.`.
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

from collections.abc import Iterator

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from querylake_api.requests.record import RequestRecord
from querylake_api.requests.trace_context import Trace
from querylake_version import VERSION

_OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/messages": "chat",
    "/v1/responses": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}
"""Well-known values of `gen_ai.operation.name`. There is none for reranking."""

_SCOPE = InstrumentationScope("querylake_api", VERSION)
_NO_ERROR = ("success", "client_error", "client_abort")

Attributes = dict[str, str | int | float | bool]


def spans_of(record: RequestRecord, trace: Trace, resource: Resource) -> Iterator[ReadableSpan]:
    """Yield a request's spans: its own, and in it one for the engine's work if an engine got it.

    They are made when the request has finished, from what its record says: nothing of the SDK runs
    while it is handled.
    """
    failed = record.status >= 500 or record.outcome not in _NO_ERROR
    yield _span(
        record,
        trace,
        resource,
        name=f"{record.method} {record.route}".rstrip(),
        kind=SpanKind.SERVER,
        span_id=trace.request_span,
        parent_id=trace.parent,
        started_at=record.started_at,
        failed=failed,
        attributes=_request_attributes(record, failed),
    )
    if trace.sent_at is not None:
        failed = record.outcome not in _NO_ERROR
        yield _span(
            record,
            trace,
            resource,
            name=f"{_operation(record)} {record.model}",
            kind=SpanKind.CLIENT,
            span_id=trace.engine_span,
            parent_id=trace.request_span,
            started_at=trace.sent_at,
            failed=failed,
            attributes=_engine_attributes(record, failed),
        )


def _request_attributes(record: RequestRecord, failed: bool) -> Attributes:
    return _known(
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


def _engine_attributes(record: RequestRecord, failed: bool) -> Attributes:
    return _known(
        {
            "gen_ai.operation.name": _operation(record),
            # The protocol that is spoken, whatever the engine is called.
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


def _span(
    record: RequestRecord,
    trace: Trace,
    resource: Resource,
    *,
    name: str,
    kind: SpanKind,
    span_id: str,
    parent_id: str | None,
    started_at: float,
    failed: bool,
    attributes: Attributes,
) -> ReadableSpan:
    assert record.finished_at is not None
    return ReadableSpan(
        name,
        context=_context(trace, span_id),
        parent=None if parent_id is None else _context(trace, parent_id),
        resource=resource,
        attributes=attributes,
        kind=kind,
        status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
        start_time=_unix_nanoseconds(record, started_at),
        end_time=_unix_nanoseconds(record, record.finished_at),
        instrumentation_scope=_SCOPE,
    )


def _context(trace: Trace, span_id: str) -> SpanContext:
    return SpanContext(
        int(trace.trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1)
    )


def _operation(record: RequestRecord) -> str:
    return _OPERATIONS.get(record.route, "rerank")


def _error(record: RequestRecord) -> str:
    return record.error_code or record.outcome or "server_error"


def _unix_nanoseconds(record: RequestRecord, moment: float) -> int:
    return int((record.began_at + moment - record.started_at) * 1e9)


def _known(attributes: dict[str, str | int | float | bool | None]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}
