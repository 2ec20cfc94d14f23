"""One running engine for the tests that do not end it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from e2e_testing.cpu_engine import SERVE, CpuEngine, address
from e2e_testing.programs import running

KEY = "the-engine-s-own-key"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CpuEngine]:
    """Give an engine with the packaged models and a key."""
    folder = tmp_path_factory.mktemp("engine")
    with running(*SERVE, cwd=folder, CPU_RUNTIME_API_KEY=KEY) as program:
        url = address(program)
        headers = {"authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
            yield CpuEngine(program, client)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder to run in."""
    return tmp_path
