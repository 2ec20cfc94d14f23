"""What holds the event loop up is seen, and is among the metrics."""

from __future__ import annotations

import asyncio
import time

from querylake_api.event_loop.delay import LOOK_SECONDS, watch_delay
from querylake_api_testing.running import RunningApi
from waiting_testing.waiting import eventually

HELD_SECONDS = 5 * LOOK_SECONDS


def hold_up() -> None:
    time.sleep(HELD_SECONDS)


async def test_a_loop_that_is_held_up_is_seen() -> None:
    delays: list[float] = []
    watch = asyncio.create_task(watch_delay(delays.append))
    await asyncio.sleep(0)
    hold_up()
    await eventually(lambda: bool(delays))
    watch.cancel()
    assert delays[0] >= HELD_SECONDS - LOOK_SECONDS - 0.01


async def test_the_delay_is_among_the_metrics(api: RunningApi) -> None:
    async def counted() -> bool:
        text = (await api.client.get("/metrics")).text
        return 'querylake_event_loop_delay_seconds_bucket{le="+Inf"}' in text

    await eventually(counted)
