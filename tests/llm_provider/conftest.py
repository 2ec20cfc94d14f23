"""Settings and fixtures that several files share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from llm_provider_testing.scripted_engine import ScriptedEngine, scripted_engine

# The same examples in every run: a test that fails now and then is no gate.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedEngine]:
    """An engine that answers as a healthy one until the test gives it another script."""
    async with scripted_engine() as running:
        running.probe_script = None
        yield running
