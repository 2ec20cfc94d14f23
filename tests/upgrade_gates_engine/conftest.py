"""Real vLLM, if there is any, as the engine that an upgrade is about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vllm_cpu_testing.engine import RunningVllm, running_vllm
from vllm_cpu_testing.environment import CHANNELS, VllmCpu, vllm_cpu


@pytest.fixture(scope="session", params=CHANNELS)
def engine(request: pytest.FixtureRequest) -> VllmCpu:
    return vllm_cpu(request.param)


@pytest.fixture(scope="module")
def vllm(engine: VllmCpu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVllm]:
    with running_vllm(engine, tmp_path_factory.mktemp("vllm")) as running:
        yield running
