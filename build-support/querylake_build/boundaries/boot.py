"""Starts the API inside its own PEX, and writes down what it has imported when it is ready.

Run by the PEX's interpreter: `PEX_INTERPRETER=1 querylake_api.pex boot.py CONFIG RESULT`.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

_SECONDS = 120


def main(config: str, result: str) -> None:
    """Serve until the modules are written down."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threading.Thread(target=_watch, args=(port, Path(result)), daemon=True).start()
    sys.argv = ["querylake_api", "serve", "--config", config, "--port", str(port)]
    runpy.run_module("querylake_api", run_name="__main__")


def _watch(port: int, result: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if _answers(f"http://127.0.0.1:{port}/healthz"):
            result.write_text(json.dumps(sorted(sys.modules)), encoding="utf-8")
            break
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
