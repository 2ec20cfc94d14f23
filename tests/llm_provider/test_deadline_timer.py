"""One timer for every wait on a connection."""

from __future__ import annotations

import asyncio

from llm_provider.deadline_timer import DeadlineTimer


class Waiter:
    def __init__(self) -> None:
        self.rung = asyncio.Event()

    def on_timeout(self) -> None:
        assert not self.rung.is_set()
        self.rung.set()


async def test_a_deadline_that_moves_away_rings_when_it_is_over_and_once() -> None:
    loop = asyncio.get_running_loop()
    timer = DeadlineTimer(loop)
    first, second = Waiter(), Waiter()
    started = loop.time()
    timer.set(first, started + 0.02)
    timer.set(second, started + 0.1)
    await asyncio.wait_for(second.rung.wait(), 60)
    assert loop.time() - started >= 0.099
    assert not first.rung.is_set()


async def test_a_deadline_that_comes_nearer_rings_in_time() -> None:
    loop = asyncio.get_running_loop()
    timer = DeadlineTimer(loop)
    waiter = Waiter()
    timer.set(waiter, loop.time() + 3600)
    timer.set(waiter, loop.time() + 0.01)
    await asyncio.wait_for(waiter.rung.wait(), 60)


async def test_nobody_hears_an_alarm_that_was_cleared_or_stopped() -> None:
    loop = asyncio.get_running_loop()
    cleared, stopped, last = DeadlineTimer(loop), DeadlineTimer(loop), DeadlineTimer(loop)
    waiter, end = Waiter(), Waiter()
    for timer in (cleared, stopped):
        timer.set(waiter, loop.time() + 0.01)
    cleared.clear()
    stopped.stop()
    last.set(end, loop.time() + 0.05)
    await asyncio.wait_for(end.rung.wait(), 60)
    assert not waiter.rung.is_set()
