"""A server that answers with what a real vLLM has answered, over a socket."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from upgrade_gates_testing.admin_double import AdminDouble

RECORDED = Path("tests/upgrade_gates/recorded").resolve()
_FRAMES = re.compile(rb'\\n\\n  File (?:[^"\\]|\\.)*"')
"""The frames that vLLM 0.13 appends to a validation error, in JSON."""

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
        admin: the API's admin routes, where this stands for the API.
        candidate: the engine whose counter rises with what the API sends there.
        served: what its own counter says; None for an engine that has none.
    """

    version: str
    url: str = ""
    changes: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    delay: float = 0.0
    keys: set[str] = field(default_factory=set)
    pages: dict[str, object] = field(default_factory=dict)
    admin: AdminDouble | None = None
    candidate: Replay | None = None
    served: int | None = 0

    def count(self, token: str) -> None:
        """Count a request that was served, where it was served."""
        if self.admin is None:
            self.served = None if self.served is None else self.served + 1
            return
        self.admin.note(token)
        if self.candidate is not None and self.admin.reaches_candidate(token):
            self.candidate.count(token)

    def metrics(self) -> Recorded:
        """Return the counter as vLLM does."""
        line = f'vllm:request_success_total{{finished_reason="stop"}} {self.served}.0\n'
        return Recorded(200, "text/plain", b"" if self.served is None else line.encode())

    @property
    def base(self) -> str:
        """The address without `/v1`, as the API's is written."""
        return self.url.removesuffix("/v1")

    def answer(self, name: str) -> Recorded:
        """Return a recording, changed if a test wants it."""
        recorded = Recorded.read(RECORDED / self.version / f"{name}.txt")
        change = self.changes.get(name)
        body = recorded.body if change is None else change(recorded.body)
        if self.admin is not None:  # as the API does
            body = _FRAMES.sub(b'"', body)
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
            if self._admin(b""):
                return
            if self.path == "/metrics":
                self._send(replay.metrics())
            elif self.path in replay.pages:
                self._send_page()
            elif self.path == "/health":
                self._send(Recorded(200, "text/plain", b""))
            elif self.path == "/v1/models":
                self._send(replay.answer("models"))
            else:
                self._send(Recorded(404, "application/json", b'{"error": {"message": "no"}}'))

        def do_POST(self) -> None:  # noqa: N802
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self._admin(body):
                return
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if self.path in replay.pages:
                replay.count(token)
                self._send_page()
                return
            answer = replay.answer(replay.choose(body))
            if answer.status == 200:
                replay.count(token)
            self._send(answer)

        def do_DELETE(self) -> None:  # noqa: N802
            if not self._admin(b""):
                self._send(Recorded(404, "application/json", b"{}"))

        def _admin(self, body: bytes) -> bool:
            """Answer what is for the admin routes, unless a page stands in their place."""
            if replay.admin is None or self.path in replay.pages:
                return False
            found = replay.admin.answer(self.command, self.path, body)
            if found is not None:
                content = json.dumps(found[1]).encode()
                self._send(Recorded(found[0], "application/json", content))
            return found is not None

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
