"""Who may use an engine now, who waits, and who is sent away."""

from __future__ import annotations

import asyncio

import pytest

from cpu_runtime.engine.gate import Gate
from cpu_runtime.errors import RequestError


async def test_no_more_than_the_slots_run_and_the_rest_come_in_order() -> None:
    gate = Gate("small", slots=2, max_waiting=10)
    may_end = asyncio.Event()
    began: list[int] = []

    async def work(number: int) -> None:
        async with gate.slot():
            began.append(number)
            assert gate.running <= 2
            await may_end.wait()

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    while gate.running < 2 or gate.waiting < 3:
        await asyncio.sleep(0)
    assert began == [0, 1]
    may_end.set()
    await asyncio.gather(*tasks)

    assert began == [0, 1, 2, 3, 4]
    assert (gate.running, gate.waiting) == (0, 0)


async def test_who_finds_too_many_waiting_is_told_when_to_come_again() -> None:
    gate = Gate("small", slots=1, max_waiting=0)

    async with gate.slot():
        with pytest.raises(RequestError) as refused:
            async with gate.slot():
                pytest.fail("there is no slot")

    assert refused.value.status == 429
    assert refused.value.headers["retry-after"] == "5"


async def test_who_stops_waiting_leaves_no_trace() -> None:
    gate = Gate("small", slots=1, max_waiting=1)

    async def work() -> None:
        async with gate.slot():
            pytest.fail("there is no slot")

    async with gate.slot():
        waiting = asyncio.create_task(work())
        while not gate.waiting:
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert gate.waiting == 0
    async with gate.slot():
        assert gate.running == 1
