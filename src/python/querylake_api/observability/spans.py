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
    failed = record.ending.status >= 500 or record.ending.outcome not in _NO_ERROR
    yield _span(
        record,
        trace,
        resource,
        name=f"{record.identity.method} {record.workload.route}".rstrip(),
        kind=SpanKind.SERVER,
        span_id=trace.request_span,
        parent_id=trace.parent,
        started_at=record.identity.started_at,
        failed=failed,
        attributes=_request_attributes(record, failed),
    )
    if record.engines.sent_at is not None:
        failed = record.ending.outcome not in _NO_ERROR
        yield _span(
            record,
            trace,
            resource,
            name=f"{_operation(record)} {record.workload.model}",
            kind=SpanKind.CLIENT,
            span_id=trace.engine_span,
            parent_id=trace.request_span,
            started_at=record.engines.sent_at,
            failed=failed,
            attributes=_engine_attributes(record, failed),
        )


def _request_attributes(record: RequestRecord, failed: bool) -> Attributes:
    return _known(
        {
            "http.request.method": record.identity.method,
            "http.route": record.workload.route or None,
            "http.response.status_code": record.ending.status or None,
            "error.type": _error(record) if failed else None,
            "querylake.request_id": record.identity.request_id,
            "querylake.key_id": record.workload.key_id,
            "querylake.outcome": record.ending.outcome,
            "querylake.queued_seconds": record.engines.queued_seconds or None,
        }
    )


def _engine_attributes(record: RequestRecord, failed: bool) -> Attributes:
    return _known(
        {
            "gen_ai.operation.name": _operation(record),
            # The protocol that is spoken, whatever the engine is called.
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": record.workload.model,
            "gen_ai.usage.input_tokens": record.content.prompt_tokens,
            "gen_ai.usage.output_tokens": record.content.completion_tokens,
            "error.type": _error(record) if failed else None,
            "querylake.upstream": record.engines.upstream,
            "querylake.stack": record.engines.stack,
            "querylake.stream": record.workload.streamed,
            "querylake.attempts": record.engines.count,
            "querylake.first_token_seconds": record.timing.first_token,
            "querylake.gap_p95_seconds": record.timing.gap_p95,
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
    return ReadableSpan(
        name,
        context=_context(trace, span_id),
        parent=None if parent_id is None else _context(trace, parent_id),
        resource=resource,
        attributes=attributes,
        kind=kind,
        status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
        start_time=_unix_nanoseconds(record, started_at),
        end_time=_unix_nanoseconds(record, record.timing.finished_at),
        instrumentation_scope=_SCOPE,
    )


def _context(trace: Trace, span_id: str) -> SpanContext:
    return SpanContext(
        int(trace.trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1)
    )


def _operation(record: RequestRecord) -> str:
    return _OPERATIONS.get(record.workload.route, "rerank")


def _error(record: RequestRecord) -> str:
    return record.ending.error_code or record.ending.outcome


def _unix_nanoseconds(record: RequestRecord, moment: float) -> int:
    return int((record.identity.began_at + moment - record.identity.started_at) * 1e9)


def _known(attributes: dict[str, str | int | float | bool | None]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}
