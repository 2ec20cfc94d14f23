"""The line in front of a model, alone."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querylake_api.errors import ApiError
from querylake_api.inference.gate import Gate, GateLimits


def gate(concurrency: int, queue: int, seconds: float = 60.0) -> Gate:
    return Gate("m", GateLimits(concurrency, queue, seconds))


async def settle() -> None:
    """Let every task run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_first_is_let_in_first() -> None:
    line = gate(1, 10)
    await line.enter()
    order: list[int] = []

    async def visitor(number: int) -> None:
        await line.enter()
        order.append(number)
        line.leave(0.0)

    visitors = [asyncio.create_task(visitor(number)) for number in range(5)]
    await settle()
    assert (order, line.waiting) == ([], 5)
    line.leave(0.0)
    await asyncio.gather(*visitors)
    assert order == [0, 1, 2, 3, 4]
    assert (line.running, line.waiting) == (0, 0)


async def test_a_full_line_turns_away_and_says_when_to_come_back() -> None:
    line = gate(2, 0)
    for _ in range(200):
        await line.enter()
        line.leave(9.0)
    await line.enter()
    await line.enter()
    with pytest.raises(ApiError) as refused:
        await line.enter()
    assert (refused.value.status, refused.value.code) == (429, "queue_full")
    assert refused.value.headers["retry-after"] == "9"


async def test_nobody_waits_for_longer_than_the_limit() -> None:
    line = gate(1, 1, seconds=0.05)
    await line.enter()
    with pytest.raises(ApiError) as refused:
        await asyncio.wait_for(line.enter(), 60)
    assert (refused.value.status, refused.value.code) == (503, "queue_timeout")
    assert line.waiting == 0
    line.leave(0.0)
    await line.enter()


async def test_who_leaves_the_line_makes_room_in_it() -> None:
    line = gate(1, 1)
    await line.enter()
    visitor = asyncio.create_task(line.enter())
    await settle()
    visitor.cancel()
    await settle()
    assert line.waiting == 0
    successor = asyncio.create_task(line.enter())
    await settle()
    line.leave(0.0)
    await asyncio.wait_for(successor, 60)


async def test_who_leaves_while_being_let_in_passes_it_on() -> None:
    line = gate(1, 2)
    await line.enter()
    first = asyncio.create_task(line.enter())
    second = asyncio.create_task(line.enter())
    await settle()
    line.leave(0.0)
    first.cancel()
    await asyncio.wait_for(second, 60)
    assert first.cancelled()
    assert (line.running, line.waiting) == (1, 0)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["arrive", "leave", "give up", "settle"]), st.integers(0, 50)),
    max_size=80,
)


@given(ACTIONS, st.integers(1, 3), st.integers(0, 4))
def test_whatever_happens(actions: list[tuple[str, int]], concurrency: int, queue: int) -> None:
    async def run() -> None:
        line = gate(concurrency, queue)
        inside: list[asyncio.Task[None]] = []
        tasks: list[asyncio.Task[None]] = []
        for action, which in actions:
            if action == "arrive":
                tasks.append(asyncio.create_task(line.enter()))
            elif action == "give up" and tasks:
                tasks[which % len(tasks)].cancel()
            elif action == "leave" and inside:
                inside.pop(which % len(inside))
                line.leave(0.0)
            else:
                await settle()
            for task in [task for task in tasks if task.done()]:
                tasks.remove(task)
                if not task.cancelled() and task.exception() is None:
                    inside.append(task)
            assert line.running <= concurrency
            assert line.waiting <= queue
        await settle()
        # Whoever was let in leaves again; then the gate is as at first, and nobody is forgotten.
        while inside or tasks:
            for task in [task for task in tasks if task.done()]:
                tasks.remove(task)
                if not task.cancelled() and task.exception() is None:
                    inside.append(task)
            assert inside or not tasks, "somebody waits although there is room"
            if inside:
                inside.pop()
                line.leave(0.0)
            await settle()
        assert (line.running, line.waiting) == (0, 0)

    asyncio.run(run())
