"""Starts that fail, each in real vLLM's own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from vllm_cpu_testing.environment import START_SECONDS, VllmCpu
from vllm_runtime_testing.serving import serving


@pytest.mark.parametrize(
    ("reason", "model", "arguments"),
    [
        ("bad_arguments", "", ("--max-modellen", "5")),
        ("bad_arguments", "", ("--max-model-len", "999999")),
        ("model_not_found", "no-such-organisation/no-such-model", ()),
        ("model_not_found", "empty", ()),
    ],
    ids=["unknown argument", "impossible value", "unknown hub id", "folder without a model"],
)
def test_a_start_that_would_fail_again_is_tried_once(
    engine: VllmCpu, tmp_path: Path, reason: str, model: str, arguments: tuple[str, ...]
) -> None:
    if model == "empty":
        (tmp_path / "empty").mkdir()
        model = str(tmp_path / "empty")
    with serving(engine, tmp_path, model=model, engine_arguments=arguments) as running:
        running.process.wait(START_SECONDS)
        assert running.ended() == 78
    assert running.said(f"the engine has ended: {reason} ")
    assert running.said("it is not started again: that would end in the same way")
    assert sum("engine process" in line for line in running.output) == 1
