"""vLLM for CPUs, and how an engine is started there with little of the machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

Channel = Literal["stable", "edge"]

CHANNELS: tuple[Channel, ...] = ("stable", "edge")

_VARIABLES = {"stable": "QUERYLAKE_VLLM_CPU", "edge": "QUERYLAKE_VLLM_CPU_EDGE"}

MODEL = "smollm2"
"""The name under which the model is served."""

START_SECONDS = 600.0
"""An engine on one of two busy cores takes a minute or two; five and more among other tests."""

ENGINE_ARGUMENTS = (
    *("--served-model-name", MODEL, "--max-model-len", "1024", "--max-num-seqs", "4"),
    # float32: in bfloat16, structured output kills 0.13 on a CPU.
    *("--enforce-eager", "--dtype", "float32"),
)

_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
}


@dataclass(frozen=True)
class VllmCpu:
    """What `build-support/vllm-cpu` has made.

    Attributes:
        python: an interpreter that can import vLLM.
        model: a folder with a small model that answers simple questions.
        version: of vLLM.
    """

    python: Path
    model: Path
    version: str

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment of an engine that leaves its caches in a folder."""
        ours = {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "USER": "test"}
        return {"PATH": os.environ.get("PATH", os.defpath), **ours, **_ENVIRONMENT}


def vllm_cpu(channel: Channel) -> VllmCpu:
    """Return a channel's environment; skips the test that asks for it where there is none."""
    variable = _VARIABLES[channel]
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set: build-support/vllm-cpu {channel} FOLDER makes it")
    python, model = Path(folder, "venv", "bin", "python"), Path(folder, "smollm2")
    for path in (python, model):
        if not path.exists():
            pytest.fail(
                f"{path} is missing: make it again with build-support/vllm-cpu {channel} {folder}"
            )
    (metadata,) = Path(folder, "venv", "lib").glob("python3.*/site-packages/vllm_cpu-*.dist-info")
    return VllmCpu(python, model, metadata.stem.partition("-")[2])
