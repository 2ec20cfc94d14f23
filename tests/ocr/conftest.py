"""The embedded engine, loaded once for all tests, and how properties are tried."""

from __future__ import annotations

import pytest
from hypothesis import settings

from ocr.engines.rapid.engine import RapidEngine
from ocr.engines.settings import RapidSettings

# What a property takes on a busy machine says nothing of the property.
settings.register_profile("ocr", deadline=None)
settings.load_profile("ocr")


@pytest.fixture(scope="session")
def engine() -> RapidEngine:
    """Return the engine; it keeps nothing between pages."""
    return RapidEngine(RapidSettings())
