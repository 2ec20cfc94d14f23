"""Real vLLM, if there is any."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vllm_cpu_testing.environment import CHANNELS, VllmCpu, vllm_cpu
from vllm_runtime_testing.serving import Serving, serving


@pytest.fixture(scope="session", params=CHANNELS)
def engine(request: pytest.FixtureRequest) -> VllmCpu:
    return vllm_cpu(request.param)


@pytest.fixture(scope="module")
def vllm(engine: VllmCpu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("vllm")
    quick = ("--stall-seconds", "15", "--drain-notice-seconds", "3")
    with serving(engine, folder, *quick) as running:
        running.ready()
        yield running
