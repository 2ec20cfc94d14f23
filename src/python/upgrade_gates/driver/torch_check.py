"""A trivial computation with torch on every GPU, in the environment of a runtime's PEX."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from pathlib import Path

from upgrade_gates.pex_file import run_command

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
    # The PEX acts as its interpreter (https://docs.pex-tool.org, PEX_INTERPRETER).
    ran = run_command(command, seconds=seconds, cwd=Path.cwd(), PEX_INTERPRETER="1")
    said = f"{ran.stdout}\n{ran.stderr}"
    if ran.code is None:
        return TorchCheck(f"{pex}: {ran.last_line}", (), None, said)
    if ran.code != 0:
        last = next((line for line in reversed(said.splitlines()) if line.strip()), "no words")
        return TorchCheck(f"torch {_ending(ran.code)}: {last.strip()}", (), None, said)
    return _judged(ran.stdout, said)


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
