"""Stands in for vLLM's server. Takes its arguments, and behaves as FAKE_ENGINE (JSON) says.

    listen: false does not serve at all.
    log: lines written first.
    exit: code to end with after that; signal: number to end itself with.
    deaf: SIGTERM is ignored, by the core too.
    core: starts a process named like an engine core, in the same session.
    escaped: starts one in a session of its own.
    times: how many starts behave so; later ones are good.

While it serves, `POST /fake` with JSON changes it: running, waiting, tokens, health, load, or the
keys log, exit, signal from above, or core_exit.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CORE = """
import signal, sys, time
open("/proc/self/comm", "w").write("VLLM::EngineCore")
if sys.argv[1] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("core up", flush=True)
time.sleep(600)
"""

state: dict[str, Any] = {"running": 0, "waiting": 0, "tokens": 100, "health": 200, "load": 0}
core: subprocess.Popen[bytes] | None = None


def note(event: str) -> None:
    """Append an event to the file that the test reads."""
    with open(os.environ["FAKE_EVENTS"], "a") as file:
        file.write(f"{event}\n")


def behave(wish: dict[str, Any]) -> None:
    """Do what can be done at the start and later."""
    for line in wish.get("log", []):
        print(line, flush=True)
    if "signal" in wish:
        os.kill(os.getpid(), wish["signal"])
    if "exit" in wish:
        os._exit(wish["exit"])
    if wish.get("core_exit") and core is not None:
        core.kill()
        core.wait()


def start_core(deaf: bool, escaped: bool) -> None:
    """Start a process that would outlive this one."""
    global core
    core = subprocess.Popen(
        [sys.executable, "-S", "-c", CORE, "deaf" if deaf else ""],
        stdout=subprocess.PIPE,
        start_new_session=escaped,
    )
    assert core.stdout is not None
    core.stdout.readline()
    note(f"core {core.pid}")


class Handler(BaseHTTPRequestHandler):
    """The three addresses that are watched, and one for the test."""

    def do_GET(self) -> None:  # noqa: N802
        body, code = "", 200
        if self.path == "/health":
            code = state["health"]
        elif self.path == "/load":
            body = json.dumps({"server_load": state["load"]})
        elif self.path == "/version":
            body = '{"version": "0.13.0"}'
        elif self.path == "/metrics":
            labels = '{engine="0",model_name="fake"}'
            body = (
                "# TYPE vllm:num_requests_running gauge\n"
                f"vllm:num_requests_running{labels} {state['running']:.1f}\n"
                f"vllm:num_requests_waiting{labels} {state['waiting']:.1f}\n"
                'vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 7.0\n'
                f"vllm:kv_cache_usage_perc{labels} 0.25\n"
                f"vllm:prompt_tokens_total{labels} 40.0\n"
                f"vllm:generation_tokens_total{labels} {state['tokens']:.1f}\n"
            )
        self._answer(code, body)

    def do_POST(self) -> None:  # noqa: N802
        wish = json.loads(self.rfile.read(int(self.headers["content-length"])))
        state.update((key, wish[key]) for key in state.keys() & wish.keys())
        self._answer(200, "")
        behave(wish)

    def _answer(self, code: int, body: str) -> None:
        self.send_response(code)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def on_term(number: int, frame: object) -> None:
    """Note what was in flight when somebody wanted the end, and end."""
    note(f"term running={state['running']}")
    os._exit(0)


def main() -> None:
    """Behave."""
    wish = json.loads(os.environ.get("FAKE_ENGINE", "{}"))
    events = Path(os.environ["FAKE_EVENTS"])
    starts = events.read_text().count("start ") if events.exists() else 0
    if starts >= wish.get("times", 1_000):
        wish = {}
    note(f"start {os.getpid()}")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if wish.get("deaf") else on_term)
    if wish.get("core") or wish.get("escaped"):
        start_core(bool(wish.get("deaf")), bool(wish.get("escaped")))
    behave(wish)
    if wish.get("listen", True):
        options = dict(zip(sys.argv, sys.argv[1:], strict=False))
        address = (options["--host"], int(options["--port"]))
        server = ThreadingHTTPServer(address, Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    while True:
        time.sleep(600)


if __name__ == "__main__":
    main()
