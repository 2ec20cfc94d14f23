"""The embedded engine, loaded once for all tests."""

from __future__ import annotations

import pytest

from ocr.engines.rapid.engine import RapidEngine
from ocr.engines.settings import RapidSettings


@pytest.fixture(scope="session")
def engine() -> RapidEngine:
    """Return the engine; it keeps nothing between pages."""
    return RapidEngine(RapidSettings())
