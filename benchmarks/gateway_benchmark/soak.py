"""A long run of mixed load: whether memory stays flat, and every connection is given back."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway_benchmark.gateways import Running
from gateway_benchmark.load import Request, run_load
from gateway_benchmark.mock_engine import MODEL
from gateway_benchmark.processes import usage

GROWTH = 0.05
"""How much more memory the last third may take than the second; the first one is warming up."""

IDLE_SECONDS = 10.0
"""After the load: long enough for idle connections upstream to be closed."""

KEPT = 8
"""Sockets that may stay open once they were needed: the pool of QueryLake's database holds five. A
connection that is lost now and then comes to hundreds over a run."""

_LONG_CHUNKS = 2000
_ROUND_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Moment:
    """What was seen at one time.

    Attributes:
        seconds: since the beginning.
        rss: bytes resident.
        sockets: open in all processes of the gateway.
    """

    seconds: float
    rss: int
    sockets: int


@dataclass(frozen=True, slots=True)
class Soak:
    """How a run went.

    Attributes:
        moments: in order; the last one is after the load, when nothing is under way.
        sockets_before: open before the load.
        errors: wrong answers.
    """

    moments: Sequence[Moment]
    sockets_before: int
    requests: int
    errors: Sequence[str]

    def verdicts(self) -> list[str]:
        """Return a sentence for each thing that is not as it should be."""
        loaded = self.moments[:-1]
        third = max(1, len(loaded) // 3)
        second = statistics.median(moment.rss for moment in loaded[third : 2 * third] or loaded)
        last = statistics.median(moment.rss for moment in loaded[-third:])
        found = [f"{len(self.errors)} wrong answers, e.g. {self.errors[0]}"] if self.errors else []
        if last > second * (1 + GROWTH):
            found.append(f"memory grows: {second / 1e6:.1f} MB, then {last / 1e6:.1f} MB")
        left = self.moments[-1].sockets - self.sockets_before
        if left > KEPT:
            found.append(f"{left} sockets more are open than before the load")
        return found


async def soak(gateway: Running, seconds: float) -> Soak:
    """Run mixed load for a time: answers, streams, floods, and clients that leave."""
    # What most runs open first is no leak; see also `KEPT`.
    await run_load(_request(gateway), connections=16, seconds=_ROUND_SECONDS)
    await asyncio.sleep(IDLE_SECONDS)
    before = _sockets(gateway.pids())
    started = time.monotonic()
    moments: list[Moment] = []
    requests = 0
    errors: list[str] = []
    while time.monotonic() - started < seconds:
        loads = (
            run_load(_request(gateway), connections=16, seconds=_ROUND_SECONDS),
            run_load(_request(gateway, 50, 5), connections=8, seconds=_ROUND_SECONDS),
            run_load(_request(gateway, 200), connections=2, seconds=_ROUND_SECONDS),
        )
        tallies = await asyncio.gather(*loads, _leave(gateway, 20))
        for tally in tallies[:-1]:
            requests += len(tally.latencies)
            errors += tally.errors
        moments.append(_moment(gateway, started))
    await asyncio.sleep(IDLE_SECONDS)
    moments.append(_moment(gateway, started))
    return Soak(moments, before, requests, errors)


def _request(gateway: Running, chunks: int | None = None, interval_ms: int = 0) -> Request:
    return Request(gateway.url, MODEL, gateway.key, chunks, interval_ms)


async def _leave(gateway: Running, times: int) -> None:
    """Begin streams and break them off in the middle."""
    host, _, port = gateway.url.removeprefix("http://").removesuffix("/v1").partition(":")
    wire = _request(gateway, _LONG_CHUNKS, 10).wire()
    for _ in range(times):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(wire)
        await reader.read(1024)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def _moment(gateway: Running, started: float) -> Moment:
    pids = gateway.pids()
    return Moment(time.monotonic() - started, usage(pids).rss, _sockets(pids))


def _sockets(pids: Sequence[int]) -> int:
    count = 0
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                count += os.readlink(descriptor).startswith("socket:")
    return count
