"""How the programs end when they are told to."""

from __future__ import annotations

import asyncio
import io
import os
import signal

import pytest
from rich.console import Console

from rollout_trials.cli import until_signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_stopped_says_so_and_does_not_end_as_if_it_were_done(
    number: signal.Signals,
) -> None:
    cleaned = []

    async def work() -> int:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)
        return 0

    output = io.StringIO()
    assert until_signal(work(), Console(file=output)) == 128 + number
    assert output.getvalue() == "Stopped.\n"
    assert cleaned


def test_what_came_to_its_end_ends_as_it_says() -> None:
    async def work() -> int:
        return 1

    assert until_signal(work(), Console(file=io.StringIO())) == 1
