"""The engine that several files share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from llm_provider_testing.scripted_engine import ScriptedEngine, scripted_engine


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedEngine]:
    """An engine that answers as a healthy one until the test gives it another script."""
    async with scripted_engine() as running:
        running.probe_script = None
        yield running
