"""A folder that `up` takes for a checkout of QueryLake, with small stand-ins for the programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FAKE_PROGRAM = '''
"""Stands in for either PEX. Notes what happens, with its process id, in `events` beside dist/."""
import json, os, pathlib, signal, subprocess, sys, threading, time, tomllib, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

here = pathlib.Path(__file__).parent.parent
name = "api" if "api" in pathlib.Path(__file__).name else "runtime"
mode = os.environ.get("FAKE_" + name.upper(), "")
options = dict(zip(sys.argv[1:], sys.argv[2:]))

def note(event):
    with open(here / "events", "a") as file:
        file.write(f"{name} {event} {os.getpid()}\\n")

def wait_for_event(text):
    while text not in (here / "events").read_text():
        time.sleep(0.01)

def keys():
    file = here / "keys"
    return file.read_text().split() if file.exists() else []

if sys.argv[1] == "keys":
    note("keys-create")
    print("a line for the log", file=sys.stderr)
    key = f"sk-{len(keys())}{os.getpid()}"
    with open(here / "keys", "a") as file:
        file.write(key + "\\n")
    print(json.dumps({"id": "key_1", "key": key}))
    sys.exit()

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status = 200
        if self.path == "/readyz":
            try:
                with urllib.request.urlopen(engine.removesuffix("/v1") + "/health", timeout=2):
                    pass
            except OSError:
                status = 503
        if self.path == "/v1/models" and self.headers["authorization"].split()[1] not in keys():
            status = 401
        body = b"{}"
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

def stop(number, frame):
    note("stopped")
    if mode == "deaf":
        return
    sys.exit(0)

note("started")
signal.signal(signal.SIGTERM, stop)
if name == "runtime":
    note("key=" + os.environ["CPU_RUNTIME_API_KEY"])
    note("arguments=" + ",".join(sys.argv[1:]))
    # Something of its own in the same process group that does not go by itself.
    inner = subprocess.Popen(["sleep", "600"])
    with open(here / "events", "a") as file:
        file.write(f"inner started {inner.pid}\\n")
else:
    engine = tomllib.loads(open(options["--config"]).read())["upstreams"]["cpu"]["base_url"]
if mode == "dies":
    print("cannot load the model\\nbecause of reasons", flush=True)
    sys.exit(3)
if name == "runtime" and mode == "waits-for-api":
    wait_for_event("api started")
server = ThreadingHTTPServer(("127.0.0.1", int(options["--port"])), Handler)
line = {"time": "2026-01-02T03:04:05.678+00:00", "level": "info", "event": name + " listens"}
print(json.dumps(line))
threading.Thread(target=server.serve_forever, daemon=True).start()
while True:
    signal.pause()
'''

FAKE_UV = """#!/bin/sh
here=$(dirname "$0")
echo "$@" >> "$here/uv-runs"
[ -e "$here/broken" ] && {{ seq 1 50; echo "the last line"; exit 1; }}
if [ "$1" = venv ]; then
  mkdir -p "$4/bin" && ln -s {python} "$4/bin/python"
else
  echo "Installed 1 package in 7ms"
  echo " + something-of-a-lock==1"
fi
"""
"""Stands in for uv: its environments hold nothing, as the stand-in programs need nothing."""


@dataclass(frozen=True)
class Checkout:
    """A folder that `up` takes for a checkout of QueryLake."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / ".querylake"

    @property
    def uv(self) -> Path:
        return self.root / "uv"

    def events(self) -> list[str]:
        """What the programs have done, in order, without process ids."""
        return [line.rpartition(" ")[0] for line in self._events()]

    def pids(self) -> set[int]:
        """Every process that the programs were or started."""
        return {int(line.rpartition(" ")[2]) for line in self._events()}

    def pid(self, event: str) -> int:
        """The process of the last event of a name."""
        return [int(each.split()[-1]) for each in self._events() if each.startswith(event)][-1]

    def keys(self) -> list[str]:
        return (self.root / "keys").read_text().split()

    def _events(self) -> list[str]:
        file = self.root / "events"
        return file.read_text().splitlines() if file.exists() else []
