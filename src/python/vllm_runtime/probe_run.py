"""Runs the import probe in a child process and reads its result, however the process ends."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bounded_process import run_bounded

PROBE_COMMAND = (sys.executable, "-P", "-m", "vllm_runtime.probe")
"""`-P`: a folder called `vllm` in the working directory must not be taken for the package."""

_LAST_LINES = 3


class Step(BaseModel):
    """What one step of the probe found; `error` is None if it succeeded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: str | None


class TorchStep(Step):
    """torch, and the CUDA version of its wheel (None for a wheel without CUDA)."""

    version: str | None = None
    cuda: str | None = None


class CudaStep(Step):
    """CUDA as torch sees it on this machine."""

    available: bool | None = None
    devices: tuple[str, ...] = ()


class CompiledStep(Step):
    """vLLM's compiled module."""

    file: str | None = None


class VllmStep(Step):
    """vLLM; `compiled` is None if this version has no module of the expected name."""

    version: str | None = None
    compiled: CompiledStep | None = None


class ProbeResult(BaseModel):
    """What the probe wrote; a step it never finished is None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    python: str
    step: str | None
    torch: TorchStep | None = None
    cuda: CudaStep | None = None
    vllm: VllmStep | None = None


@dataclass(frozen=True, slots=True)
class Probed:
    """The probe's result, if any, and why it is not complete (None if it is)."""

    result: ProbeResult | None
    failure: str | None


def run_probe(command: Sequence[str] = PROBE_COMMAND, *, seconds: float = 300.0) -> Probed:
    """Run the probe; never raises for what the probe does."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        failure = _run([*command, str(file)], seconds)
        return _read(file, failure)


def _run(command: list[str], seconds: float) -> str | None:
    try:
        ended = run_bounded(command, seconds=seconds)
    except OSError as error:
        return f"cannot be started: {error.strerror}"
    if ended.code is None:
        return f"did not finish within {seconds:g} s"
    if ended.code == 0:
        return None
    lines = ended.stderr.decode("utf-8", "replace").strip().splitlines()
    said = " | ".join(lines[-_LAST_LINES:])
    return f"{_ending(ended.code)}: {said}" if said else _ending(ended.code)


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by signal {-code} ({signal.strsignal(-code)})"


def _read(file: Path, failure: str | None) -> Probed:
    try:
        result = ProbeResult.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except OSError:
        return Probed(None, failure or "wrote no result")
    except (ValueError, ValidationError):
        return Probed(None, failure or "wrote a result that cannot be understood")
    if failure is None and result.step is not None:
        failure = "ended before it had finished"
    return Probed(result, failure)
