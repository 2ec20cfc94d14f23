"""The second port: `GET /runtime/status`, `/runtime/ready` and `/metrics`, in threads of its own.

It must answer at once whatever the engine or the supervisor is doing.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from vllm_runtime.ports import port_unavailable
from vllm_runtime.status import Status, prometheus_text

_CLIENT_SECONDS = 5.0


@contextmanager
def serve_status(host: str, port: int, status: Callable[[], Status]) -> Iterator[int]:
    """Serve the status as long as the context lasts; gives the port.

    Args:
        port: 0 picks one.
        status: called from other threads.

    Raises:
        PortUnavailable: the port cannot be had.
    """
    try:
        server = _server_class(host)((host, port), _handler_class(status))
    except OSError as error:
        raise port_unavailable(host, port, "--runtime-port", error) from None
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _server_class(host: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of a client that has gone away."""
            if not isinstance(sys.exception(), OSError):
                super().handle_error(request, client_address)  # type: ignore[arg-type]

    return Server


def _handler_class(status: Callable[[], Status]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _CLIENT_SECONDS

        def do_GET(self) -> None:  # noqa: N802 - http.server's name
            path = self.path.partition("?")[0]
            if path == "/runtime/status":
                self._answer(200, "application/json", status().model_dump_json())
            elif path == "/runtime/ready":
                now = status()
                state = f'{{"ready":{str(now.ready).lower()},"state":"{now.state}"}}'
                self._answer(200 if now.ready else 503, "application/json", state)
            elif path == "/metrics":
                content_type = "text/plain; version=0.0.4; charset=utf-8"
                self._answer(200, content_type, prometheus_text(status()))
            else:
                message = '{"detail":"here are /runtime/status, /runtime/ready and /metrics"}'
                self._answer(404, "application/json", message)

        def _answer(self, code: int, content_type: str, text: str) -> None:
            body = text.encode()
            self.send_response(code)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.send_header("cache-control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: it is polled every second."""

    return Handler
