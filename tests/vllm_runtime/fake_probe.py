"""Stands in for the import probe: does what its first argument says; the last one is the file."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

GOOD: dict[str, Any] = {
    "python": "3.11.7",
    "step": None,
    "torch": {"error": None, "version": "2.9.0+cu128", "cuda": "12.8"},
    "cuda": {"error": None, "available": False, "devices": []},
    "vllm": {
        "error": None,
        "version": "0.13.0",
        "compiled": {"error": "ImportError: libcuda.so.1: cannot open shared object file"},
    },
}


def main(behaviour: str, result_file: Path) -> None:
    """Write a result, or die on the way to it."""
    if behaviour == "hangs":
        time.sleep(600)
    if behaviour == "aborts":
        unfinished = {"python": "3.11.7", "step": "vllm", "torch": GOOD["torch"]}
        result_file.write_text(json.dumps(unfinished))
        print("undefined symbol: cublasLtCreate", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGABRT)
    result = json.loads(json.dumps(GOOD))
    if behaviour == "no vllm":
        result["vllm"] = {"error": "ImportError: libcudart.so.12: cannot open shared object file"}
    if behaviour == "gpu":
        result["cuda"] = {"error": None, "available": True, "devices": ["NVIDIA L4"]}
        result["vllm"]["compiled"] = {"error": None, "file": "_C.abi3.so"}
    print("noise on standard output")
    result_file.write_text(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
