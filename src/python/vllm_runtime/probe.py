"""Imports torch and vLLM for real and writes what it finds as JSON. Run as a child process only.

A broken CUDA installation may end the importing process without an exception, and imports may
write to standard output: hence a process of its own, and a result file named by its argument. The
file is written after every step, so that the last one shows how far an aborted process came.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Step = Callable[[], dict[str, Any]]


def probe_torch() -> dict[str, Any]:
    """Return torch's version and the CUDA version that its wheel was built for."""
    import torch

    return {"version": str(torch.__version__), "cuda": torch.version.cuda}


def probe_cuda() -> dict[str, Any]:
    """Return whether CUDA works here, and the names of its devices."""
    import torch

    available = bool(torch.cuda.is_available())
    count = torch.cuda.device_count() if available else 0
    return {
        "available": available,
        "devices": [torch.cuda.get_device_name(index) for index in range(count)],
    }


def probe_vllm() -> dict[str, Any]:
    """Return vLLM's version, and whether its compiled part can be loaded.

    `import vllm` alone loads almost nothing: the compiled module is what a wrong torch breaks.
    """
    import vllm

    result: dict[str, Any] = {"version": str(vllm.__version__), "compiled": None}
    if importlib.util.find_spec("vllm._C") is not None:
        result["compiled"] = _outcome(lambda: {"file": importlib.import_module("vllm._C").__file__})
    return result


def main(result_file: str) -> None:
    """Take every step and write the result file."""
    result: dict[str, Any] = {"python": sys.version.split()[0]}
    steps: dict[str, Step] = {"torch": probe_torch, "cuda": probe_cuda, "vllm": probe_vllm}
    for name, step in steps.items():
        result["step"] = name
        _write(result_file, result)
        result[name] = _outcome(step)
    result["step"] = None
    _write(result_file, result)


def _outcome(step: Step) -> dict[str, Any]:
    try:
        return {"error": None, **step()}
    # The last boundary: whatever an import of a half-broken installation raises is the finding.
    except BaseException as error:  # noqa: BLE001
        return {"error": f"{type(error).__name__}: {error}"}


def _write(result_file: str, result: dict[str, Any]) -> None:
    Path(result_file).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
