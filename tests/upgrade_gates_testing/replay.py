"""A server that answers with what a real vLLM has answered, over a socket."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

RECORDED = Path("tests/upgrade_gates/recorded").resolve()
MODEL = "smollm2"
"""What the recorded engines call it."""


@dataclass(frozen=True)
class Recorded:
    """One recorded answer."""

    status: int
    content_type: str
    body: bytes

    @classmethod
    def read(cls, file: Path) -> Recorded:
        """Read a recording: lines with `<` are the head of the answer, then its body."""
        head, _, body = file.read_bytes().partition(b"\n\n")
        lines = [line[2:].decode() for line in head.splitlines() if line.startswith(b"< ")]
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return cls(int(lines[0].split()[1]), headers["content-type"], body)


@dataclass
class Replay:
    """What the server says.

    Attributes:
        changes: for tests of faults: a change to a body, by recording's name.
        delay: seconds before each event of a stream.
        keys: the bearer tokens that have come.
        pages: other answers, by path; a number is a status.
    """

    version: str
    url: str = ""
    changes: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    delay: float = 0.0
    keys: set[str] = field(default_factory=set)
    pages: dict[str, object] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The address without `/v1`, as the API's is written."""
        return self.url.removesuffix("/v1")

    def answer(self, name: str) -> Recorded:
        """Return a recording, changed if a test wants it."""
        recorded = Recorded.read(RECORDED / self.version / f"{name}.txt")
        change = self.changes.get(name)
        body = recorded.body if change is None else change(recorded.body)
        return Recorded(recorded.status, recorded.content_type, body)

    def choose(self, body: bytes) -> str:
        """Return the recording for a chat."""
        try:
            asked: dict[str, Any] = json.loads(body)
        except ValueError:
            return "err_bad_json"
        if asked["model"] != MODEL:
            return "err_unknown_model"
        if not isinstance(asked["max_tokens"], int):
            return "err_max_tokens_str"
        return "chat_stream_usage" if asked.get("stream") else "chat"


class _Server(ThreadingHTTPServer):
    """A server that says nothing of callers who leave, in whichever phase."""

    request_queue_size = 64  # sixteen callers come at once

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def replaying(version: str) -> Iterator[Replay]:
    """Serve a version's recordings on a free port of loopback."""
    replay = Replay(version)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # noqa: N802 - what http.server calls it
            replay.keys.add(self.headers.get("Authorization", ""))
            if self.path in replay.pages:
                self._send_page()
            elif self.path == "/health":
                self._send(Recorded(200, "text/plain", b""))
            elif self.path == "/v1/models":
                self._send(replay.answer("models"))
            else:
                self._send(Recorded(404, "application/json", b'{"error": {"message": "no"}}'))

        def do_POST(self) -> None:  # noqa: N802
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path in replay.pages:
                self._send_page()
            else:
                self._send(replay.answer(replay.choose(body)))

        def _send_page(self) -> None:
            page = replay.pages[self.path]
            status = page if isinstance(page, int) else 200
            self._send(Recorded(status, "application/json", json.dumps(page).encode()))

        def _send(self, answer: Recorded) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            for event in answer.body.splitlines(keepends=True):
                if event.startswith(b"data:"):
                    time.sleep(replay.delay)
                self.wfile.write(event)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    replay.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield replay
    finally:
        server.shutdown()
        server.server_close()
