"""Traces: spans that a collector understands, and a collector that is in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api.requests.trace_context import trace_of
from querylake_api_testing.running import RunningApi, running_api

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CHAT = {"model": "default", "messages": [], "stream": True}


@dataclass
class Collector:
    """Takes spans over OTLP/HTTP.

    Attributes:
        status: what it answers.
        spans: what it has taken, in order.
    """

    status: int = 200
    url: str = ""
    spans: list[Span] = field(default_factory=list)
    resource: Resource = field(default_factory=Resource)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    taken: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("post /v1/traces ")
        assert "content-type: application/x-protobuf" in head
        size = int(head.split("content-length: ")[1].split("\r\n")[0])
        asked = ExportTraceServiceRequest.FromString(await reader.readexactly(size))
        if self.status == 200:
            [exported] = asked.resource_spans
            self.resource = exported.resource
            self.spans += exported.scope_spans[0].spans
            self.taken.set()
        self.asked.set()
        answer = f"HTTP/1.1 {self.status} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
        writer.write(answer.encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def collecting(status: int = 200) -> AsyncIterator[Collector]:
    collector = Collector(status)
    server = await asyncio.start_server(collector.handle, "127.0.0.1", 0)
    collector.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield collector
    finally:
        server.close()


@asynccontextmanager
async def traced_api(config_file: Path, endpoint: str, more: str = "") -> AsyncIterator[RunningApi]:
    text = config_file.read_text(encoding="utf-8")
    config_file.write_text(f'{text}[tracing]\nendpoint = "{endpoint}"\n{more}', encoding="utf-8")
    async with running_api(config_file) as api:
        yield api


def attributes(holder: Span | Resource) -> dict[str, object]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in holder.attributes
    }


async def ask(api: RunningApi, document: object = CHAT, **headers: str) -> int:
    answer = await api.client.post(
        "/v1/chat/completions", json=document, headers={**api.headers(), **headers}
    )
    return answer.status_code


async def test_spans_of_a_stream_in_its_callers_trace(
    config_file: Path, engine: ScriptedEngine
) -> None:
    async with collecting() as collector, traced_api(config_file, collector.url) as api:
        assert await ask(api, traceparent=PARENT, tracestate="vendor=1") == 200
        await api.client.get("/healthz")
        await asyncio.wait_for(collector.taken.wait(), 60)
    request, work = collector.spans
    assert request.trace_id.hex() == work.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert request.parent_span_id.hex() == "b7ad6b7169203331"
    assert work.parent_span_id == request.span_id
    assert (request.name, request.kind) == ("POST /v1/chat/completions", Span.SPAN_KIND_SERVER)
    assert (work.name, work.kind) == ("chat org/chatty", Span.SPAN_KIND_CLIENT)
    assert request.start_time_unix_nano <= work.start_time_unix_nano < work.end_time_unix_nano
    assert request.status.code == work.status.code == Status.STATUS_CODE_UNSET
    assert attributes(request)["http.response.status_code"] == 200
    told = attributes(work)
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.request.model"] == "org/chatty"
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (3, 3)
    assert told["querylake.upstream"] == "engine"
    sent = engine.requests[-1].headers
    assert sent["traceparent"] == f"00-{work.trace_id.hex()}-{work.span_id.hex()}-01"
    assert sent["tracestate"] == "vendor=1"
    assert attributes(collector.resource)["service.name"] == "querylake"


async def test_a_failure_is_an_error(config_file: Path, engine: ScriptedEngine) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.whole({"error": {"message": "boom"}}, status=500)

    engine.script = script
    async with collecting() as collector, traced_api(config_file, collector.url) as api:
        assert await ask(api) == 502
        await asyncio.wait_for(collector.taken.wait(), 60)
    request, work = collector.spans
    assert request.status.code == work.status.code == Status.STATUS_CODE_ERROR
    assert attributes(work)["error.type"] == "upstream_failed"
    assert not request.parent_span_id


async def test_what_the_caller_does_not_want_traced_is_not(
    config_file: Path, engine: ScriptedEngine
) -> None:
    async with collecting() as collector, traced_api(config_file, collector.url) as api:
        assert await ask(api, traceparent=PARENT[:-1] + "0") == 200
        assert await ask(api, traceparent=PARENT) == 200
    assert engine.requests[0].headers["traceparent"].endswith("-00")
    assert len(collector.spans) == 2


async def test_no_collector_no_trace(api: RunningApi, engine: ScriptedEngine) -> None:
    assert await ask(api, traceparent=PARENT) == 200
    assert "traceparent" not in engine.requests[-1].headers


@pytest.mark.parametrize("status", [503, 400])
async def test_a_collector_that_refuses_fails_no_request(config_file: Path, status: int) -> None:
    async with collecting(status) as collector, traced_api(config_file, collector.url) as api:
        assert await ask(api) == 200
        await asyncio.wait_for(collector.asked.wait(), 60)
        collector.status = 200
        assert await ask(api) == 200
    # What may be sent again was; what was refused for good was not.
    assert len(collector.spans) == (4 if status == 503 else 2)


async def test_a_collector_that_is_away_fails_no_request(config_file: Path) -> None:
    async with traced_api(config_file, "http://127.0.0.1:9") as api:
        assert [await ask(api) for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize(
    "parent",
    [
        b"",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ],
)
def test_a_parent_that_is_none_begins_a_new_trace(parent: bytes) -> None:
    trace = trace_of([(b"traceparent", parent), (b"tracestate", b"a=1")], sample=True)
    assert (trace.parent, trace.state, trace.sampled) == (None, None, True)
    assert trace.trace_id != "0af7651916cd43dd8448eb211c80319c"
    assert len(trace.trace_id) == 32
    assert len({trace.request_span, trace.engine_span}) == 2


def test_two_parents_are_none() -> None:
    headers = [(b"traceparent", PARENT.encode())] * 2
    assert trace_of(headers, sample=False).parent is None


def test_a_later_version_is_understood_as_far_as_it_goes() -> None:
    headers = [(b"traceparent", b"cc" + PARENT.encode()[2:] + b"-what")]
    assert trace_of(headers, sample=False).sampled
