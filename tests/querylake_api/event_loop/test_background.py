"""Loops beside the requests go on, whatever they meet."""

from __future__ import annotations

import asyncio
import logging

import pytest

from querylake_api.event_loop import background
from querylake_api.event_loop.background import in_background


async def test_a_loop_that_fails_is_reported_and_begun_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "PAUSE_SECONDS", 0.0)
    begun = 0
    again = asyncio.Event()

    async def fails_once() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise LookupError("nobody thought of this")
        again.set()
        await asyncio.Event().wait()

    async with in_background({"keys": fails_once}):
        await asyncio.wait_for(again.wait(), 10)

    told = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert told.getMessage().startswith("keys ended")
    assert "nobody thought of this" in caplog.text


async def test_loops_end_with_the_block_and_may_say_goodbye() -> None:
    said = []

    async def loop() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            said.append("goodbye")

    async with in_background({"one": loop, "other": loop}):
        await asyncio.sleep(0)

    assert said == ["goodbye", "goodbye"]
