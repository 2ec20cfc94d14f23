"""The API before engines that answer in odd ways."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from querylake_api_testing.odd_engines import fleet
from querylake_api_testing.several_engines import Replicas


@pytest.fixture
async def alone(tmp_path: Path, database_url: str) -> AsyncIterator[Replicas]:
    async with fleet(tmp_path, database_url) as running:
        yield running


@pytest.fixture
async def pair(tmp_path: Path, database_url: str) -> AsyncIterator[Replicas]:
    retry: dict[str, object] = {"reserve": 1000.0}
    async with fleet(tmp_path, database_url, 2, retry=retry) as running:
        yield running
