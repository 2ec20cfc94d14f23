"""What is asked of each gateway, and what is counted meanwhile."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from gateway_benchmark.gateways import Running
from gateway_benchmark.load import Request, run_load
from gateway_benchmark.mock_engine import MODEL
from gateway_benchmark.processes import usage

SATURATED = 0.9
"""The share of their core that generator and engine may use; beyond, they are what is measured."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of load.

    Attributes:
        connections: requests under way at once.
        chunks: content chunks of each stream; None for answers that are no streams.
        interval_ms: milliseconds between them; 0 for as fast as the engine can.
    """

    name: str
    connections: int
    chunks: int | None = None
    interval_ms: int = 0


SEQUENTIAL = Scenario("sequential", connections=1)
LOADED = Scenario("loaded", connections=64)
FIRST_TOKEN = Scenario("first token", connections=1, chunks=16, interval_ms=2)
PACED = Scenario("paced stream", connections=32, chunks=100, interval_ms=20)
FLOOD = Scenario("flood stream", connections=8, chunks=500)

SCENARIOS = (SEQUENTIAL, LOADED, FIRST_TOKEN, PACED, FLOOD)


@dataclass(frozen=True, slots=True)
class Sample:
    """One scenario, once. Times are in seconds, memory in bytes.

    Attributes:
        latency: median of whole answers.
        first: median to the first content.
        cpu: processor time of the gateway.
        other_cpu: processor time of what it needs beside it.
        idle_cpu: processor time that generator and engine left of their core, as a share.
        errors: what was wrong with answers; a sample with errors counts for nothing.
    """

    requests: int
    chunks: int
    seconds: float
    latency: float
    first: float
    cpu: float
    other_cpu: float
    rss: int
    idle_cpu: float
    errors: tuple[str, ...]

    @property
    def saturated(self) -> bool:
        """Whether generator and engine were the bottleneck."""
        return self.idle_cpu < 1 - SATURATED


async def measure(
    scenario: Scenario, gateway: Running, engine_pid: int, own_pid: int, seconds: float
) -> Sample:
    """Run a scenario against a gateway and return what was counted."""
    request = Request(gateway.url, MODEL, gateway.key, scenario.chunks, scenario.interval_ms)
    started = time.perf_counter()
    before = usage(gateway.pids())
    other_before = usage(gateway.other_pids())
    rig_before = usage((engine_pid, own_pid))
    tally = await run_load(request, connections=scenario.connections, seconds=seconds)
    elapsed = time.perf_counter() - started
    after = usage(gateway.pids())
    rig = usage((engine_pid, own_pid)).cpu - rig_before.cpu
    return Sample(
        requests=len(tally.latencies),
        chunks=tally.chunks,
        seconds=elapsed,
        latency=statistics.median(tally.latencies) if tally.latencies else 0.0,
        first=statistics.median(tally.first_bytes) if tally.first_bytes else 0.0,
        cpu=after.cpu - before.cpu,
        other_cpu=usage(gateway.other_pids()).cpu - other_before.cpu,
        rss=after.rss,
        idle_cpu=1 - rig / elapsed,
        errors=tuple(tally.errors),
    )
