"""Serves the API of one revision, streams one chat through it, and writes down which files it ran.

Run by an interpreter that has the API's requirements: `python traced_chat.py SOURCES RESULT`. Only
Python's own functions are seen; so modules must not be compiled, and from sources they never are.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

_START_SECONDS = 120
_EVENTS = (b'{"role": "assistant", "content": ""}', b'{"content": "Paris"}', b'{"content": "."}')
_CHAT = {"model": "traced", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}


class _Engine(BaseHTTPRequestHandler):
    """An engine that streams a short response to whatever it is asked."""

    def do_GET(self) -> None:  # noqa: N802 - its caller says so
        self._head("application/json")
        self.wfile.write(b'{"object": "list", "data": [{"id": "traced", "object": "model"}]}')

    def do_POST(self) -> None:  # noqa: N802 - its caller says so
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self._head("text/event-stream")
        for delta in _EVENTS:
            self._event(b'{"id": "1", "choices": [{"index": 0, "delta": %b}]}' % delta)
        self._event(b'{"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}')
        self._event(b"[DONE]")

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _head(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        self.end_headers()

    def _event(self, data: bytes) -> None:
        self.wfile.write(b"data: %b\n\n" % data)


class _Trace:
    """Notes the files of functions that are entered while it is on."""

    def __init__(self, sources: Path) -> None:
        self._prefix = f"{sources}/"
        self.on = False
        self.files: set[str] = set()

    def profile(self, frame: FrameType, event: str, argument: object) -> None:
        """Take note of a call. Given to `sys.setprofile`."""
        if self.on and event == "call":
            file = frame.f_code.co_filename
            if file.startswith(self._prefix):
                self.files.add(file.removeprefix(self._prefix))


def main(sources: Path, result: Path) -> None:
    """Serve until one chat was traced."""
    sys.path.insert(0, str(sources))
    with tempfile.TemporaryDirectory(prefix="house-") as folder:
        engine = ThreadingHTTPServer(("127.0.0.1", 0), _Engine)
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        config = _configured(Path(folder), engine.server_address[1])
        key = _key(config, sources)
        port = _free_port()
        trace = _Trace(sources)
        threading.Thread(target=_ask, args=(port, key, trace, result), daemon=True).start()
        sys.argv = ["querylake_api", "serve", "--config", str(config), "--port", str(port)]
        sys.setprofile(trace.profile)
        threading.setprofile(trace.profile)
        runpy.run_module("querylake_api", run_name="__main__")


def _configured(folder: Path, engine_port: int) -> Path:
    config = folder / "querylake.toml"
    config.write_text(
        f'[server]\nhost = "127.0.0.1"\n[database]\nurl = "embedded:{folder}/postgres"\n'
        f'[upstreams.traced]\nbase_url = "http://127.0.0.1:{engine_port}/v1"\n'
        '[models.traced]\ncapabilities = ["chat"]\n'
        '[[models.traced.targets]]\nupstream = "traced"\nmodel = "traced"\n',
        encoding="utf-8",
    )
    return config


def _key(config: Path, sources: Path) -> str:
    command = [sys.executable, "-m", "querylake_api", "keys", "create", "--json"]
    done = subprocess.run(
        [*command, "--config", str(config), "--name", "traced"],
        env=os.environ | {"PYTHONPATH": str(sources)},
        capture_output=True,
        text=True,
        check=False,
        timeout=_START_SECONDS,
    )
    if done.returncode != 0:
        raise SystemExit(f"no key could be made: {done.stderr.strip()}")
    return str(json.loads(done.stdout)["key"])


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _ask(port: int, key: str, trace: _Trace, result: Path) -> None:
    """Chat once to warm up and once for the trace; write the result only if both had an end."""
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _streamed(port, key) and time.monotonic() < deadline:
            time.sleep(0.1)
        trace.on = True
        complete = _streamed(port, key)
        # The record is closed when the last byte has gone.
        time.sleep(0.05)
        trace.on = False
        if complete:
            result.write_text(json.dumps(sorted(trace.files)), encoding="utf-8")
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def _streamed(port: int, key: str) -> bool:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json.dumps(_CHAT).encode(),
        {"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            body: bytes = response.read()
    except (urllib.error.URLError, OSError):
        return False
    return body.endswith(b"data: [DONE]\n\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
