"""A trivial computation with torch on every GPU, in the environment of a runtime's PEX."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

SECONDS = 600.0
"""A packed PEX of several gigabytes unpacks at its first start."""

PROGRAM = """\
import json, torch
found = {"torch": torch.__version__, "cuda": torch.version.cuda, "devices": [], "sums": []}
if torch.cuda.is_available():
    for index in range(torch.cuda.device_count()):
        found["devices"].append(torch.cuda.get_device_name(index))
        numbers = torch.arange(1000, dtype=torch.float32, device=f"cuda:{index}")
        found["sums"].append(float((numbers * 2).sum()))
print(json.dumps(found))
"""
EXPECTED_SUM = 999_000.0
"""Twice the sum of 0 to 999."""


@dataclass(frozen=True, slots=True)
class TorchCheck:
    """What came of it.

    Attributes:
        problem: why the GPUs cannot be used; None if every one of them computed the right sum.
        output: everything that was said.
    """

    problem: str | None
    devices: tuple[str, ...]
    torch: str | None
    output: str


def torch_check(pex: Path, *, seconds: float = SECONDS) -> TorchCheck:
    """Compute; never raises for what the environment does.

    Args:
        pex: a PEX file, or the folder of a packed one.
    """
    command = [str(pex / "__main__.py" if pex.is_dir() else pex), "-c", PROGRAM]
    try:
        done = subprocess.run(
            command,
            # The PEX acts as its interpreter (https://docs.pex-tool.org, PEX_INTERPRETER).
            env={**os.environ, "PEX_INTERPRETER": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return TorchCheck(f"{pex} did not answer within {seconds:g} s", (), None, "")
    except OSError as error:
        return TorchCheck(f"{pex} cannot be started: {error.strerror}", (), None, "")
    said = f"{done.stdout}\n{done.stderr}"
    if done.returncode != 0:
        last = next((line for line in reversed(said.splitlines()) if line.strip()), "no words")
        return TorchCheck(f"torch {_ending(done.returncode)}: {last.strip()}", (), None, said)
    return _judged(done.stdout, said)


def _judged(stdout: str, said: str) -> TorchCheck:
    try:
        # Libraries may write to standard output before.
        found = json.loads(stdout.strip().splitlines()[-1])
        devices = tuple(str(each) for each in found["devices"])
        sums, torch, cuda = [float(each) for each in found["sums"]], found["torch"], found["cuda"]
    except (ValueError, LookupError, TypeError):
        return TorchCheck("what torch said cannot be understood", (), None, said)
    if not devices:
        problem = f"torch {torch} (CUDA {cuda}) sees no GPU"
    elif sums != [EXPECTED_SUM] * len(devices):
        problem = f"the sums are {sums}, and each must be {EXPECTED_SUM}"
    else:
        problem = None
    return TorchCheck(problem, devices, str(torch), said)


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by signal {-code} ({signal.strsignal(-code)})"
