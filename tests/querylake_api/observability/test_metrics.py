"""Metrics: right for one process, and for several together."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api.configuration.loading import load_configuration
from querylake_api.keys.models import Scope
from querylake_api.observability.metrics import Metrics
from querylake_api.observability.running import running_metrics
from querylake_api.observability.snapshot import read_snapshot
from querylake_api.requests.gaps import Gaps
from querylake_api.requests.record import RequestRecord
from querylake_api_testing.finished_requests import finished_request
from querylake_api_testing.process import serve_process
from querylake_api_testing.running import RunningApi, create_key
from waiting_testing.waiting import eventually

PLACE = {"route": "/v1/x", "model": "m", "upstream": "u", "stack": "stable"}
CHAT = {"model": "default", "messages": []}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    """Return every number of an exposition, as Prometheus would read it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def finished_record(seconds: float = 0.2) -> RequestRecord:
    gaps = Gaps()
    for gap in (0.04, 0.04, 3.0):
        gaps.add(gap)
    return finished_request(
        model="m",
        upstream="u",
        stack="stable",
        attempts=2,
        prompt_tokens=7,
        completion_tokens=9,
        seconds=seconds,
        first_token_seconds=0.03,
        gaps=gaps,
    )


async def test_what_a_request_leaves(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path, 0)
    metrics.finished(finished_record())
    metrics.finished(finished_record(seconds=400))
    found = samples((await metrics.exposition()).decode())
    assert value(found, "querylake_requests_total", **PLACE, outcome="success") == 2
    assert value(found, "querylake_attempts_total", model="m", stack="stable") == 4
    assert value(found, "querylake_prompt_tokens_total", **PLACE) == 14
    assert value(found, "querylake_completion_tokens_total", **PLACE) == 18
    duration = "querylake_request_duration_seconds"
    assert value(found, duration + "_bucket", **PLACE, le="0.1") == 0
    assert value(found, duration + "_bucket", **PLACE, le="0.25") == 1
    assert value(found, duration + "_bucket", **PLACE, le="300.0") == 1
    assert value(found, duration + "_bucket", **PLACE, le="+Inf") == 2
    assert value(found, duration + "_count", **PLACE) == 2
    assert value(found, duration + "_sum", **PLACE) == pytest.approx(400.2)
    assert value(found, "querylake_time_to_first_token_seconds_count", **PLACE) == 2
    gap = "querylake_inter_token_seconds_bucket"
    assert value(found, gap, **PLACE, le="0.03") == 0
    assert value(found, gap, **PLACE, le="0.05") == 4
    assert value(found, gap, **PLACE, le="10.0") == 6


async def test_processes_add_up_and_counters_never_fall(tmp_path: Path) -> None:
    reading = {"a": 1.0, "b": 5.0}
    async with running_metrics(tmp_path, 0) as first:
        first.gauge("sum", "-", lambda: [((), reading["a"])])
        first.gauge("least", "-", lambda: [((), reading["a"])], merge="min")
        first.finished(finished_record())
        async with running_metrics(tmp_path, 1) as second:
            second.gauge("sum", "-", lambda: [((), reading["b"])])
            second.gauge("least", "-", lambda: [((), reading["b"])], merge="min")
            second.finished(finished_record())
            await second.leave()
            found = samples((await first.exposition()).decode())
            assert value(found, "querylake_requests_total", **PLACE, outcome="success") == 2
            assert value(found, "querylake_request_duration_seconds_count", **PLACE) == 2
            assert value(found, "querylake_time_to_first_token_seconds_count", **PLACE) == 2
            assert (value(found, "sum"), value(found, "least")) == (6, 1)
        # The second one has ended: what it counted stays, what it was does not.
        found = samples((await first.exposition()).decode())
        assert value(found, "querylake_requests_total", **PLACE, outcome="success") == 2
        assert value(found, "sum") == 1
        async with running_metrics(tmp_path, 1) as third:
            third.finished(finished_record())
            await first.leave()
            await third.leave()
            for metrics in (first, third):
                found = samples((await metrics.exposition()).decode())
                assert value(found, "querylake_requests_total", **PLACE, outcome="success") == 3


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"counters": 1}', b"\xff"])
async def test_a_file_that_cannot_be_read_counts_as_none(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "0.json").write_bytes(content)
    (folder / "1.json").write_bytes(content)
    async with running_metrics(tmp_path, 0) as metrics:
        metrics.finished(finished_record())
        found = samples((await metrics.exposition()).decode())
    assert value(found, "querylake_requests_total", **PLACE, outcome="success") == 1


async def test_gauges_of_the_running_api(api: RunningApi, engine: ScriptedEngine) -> None:
    finish = asyncio.Event()
    reached = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        reached.set()
        await finish.wait()
        await exchange.whole({"object": "chat.completion", "model": "x", "choices": []})

    engine.script = script
    asking = asyncio.create_task(api.post("/v1/chat/completions", CHAT))
    await reached.wait()
    found = samples((await api.client.get("/metrics")).text)
    finish.set()
    await asking
    # The request for the metrics is one too.
    assert value(found, "querylake_requests_in_flight") == 2
    assert value(found, "querylake_upstream_outstanding", upstream="engine") == 1
    assert value(found, "querylake_upstream_in_rotation", upstream="engine") == 1
    assert value(found, "querylake_upstream_breaker", upstream="engine", state="open") == 0
    spool = value(found, "querylake_usage_spool_bytes")
    assert spool is not None
    assert spool > 0
    memory = value(found, "querylake_worker_resident_bytes", worker="0")
    assert memory is not None
    assert memory > 10**7


async def test_any_worker_tells_the_sum_also_after_one_was_killed(config_file: Path) -> None:
    key = await create_key(load_configuration(config_file), scopes=(Scope.INFERENCE,))
    headers = {"authorization": f"Bearer {key.secret}"}

    async def ask(times: int) -> None:
        for _ in range(times):
            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
                url = f"{server.url}/v1/chat/completions"
                assert (await client.post(url, json=CHAT, headers=headers)).status_code == 200

    async def counted() -> float:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            text = (await client.get(f"{server.url}/metrics")).text
        return sum(
            number
            for (name, labels), number in samples(text).items()
            if name == "querylake_requests_total" and ("model", "org/chatty") in labels
        )

    async def left_on_disk(count: int) -> None:
        """Wait until that many requests are counted where a killed worker cannot lose them."""
        folder = config_file.parent / ".querylake" / "state" / "metrics"

        def attempts() -> float:
            counts = [read_snapshot(path, {}).counters for path in folder.glob("*.json")]
            each = [counters.get("querylake_attempts", {}) for counters in counts]
            return sum(sum(numbers.values()) for numbers in each)

        await eventually(attempts, lambda seen: seen == count)

    async def reaches(count: int) -> None:
        """Wait until every worker that may answer has heard of every request."""

        async def seen() -> list[float]:
            return [await counted() for _ in range(4)]

        await eventually(seen, lambda numbers: numbers == [count] * 4)

    async with serve_process(config_file, "--port", "0", "--workers", "2") as server:
        workers = [
            int(line["event"].rpartition(" ")[2])
            for line in server.log
            if line["event"].startswith("worker ") and "is ready" in line["event"]
        ]
        await ask(10)
        await reaches(10)
        await left_on_disk(10)
        os.kill(workers[0], signal.SIGKILL)
        await server.logged(f"worker process {workers[0]} ended")
        await reaches(10)
        await ask(5)
        await reaches(15)
        assert await server.end(signal.SIGTERM) == 0
