"""Routes that are served ahead of FastAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from querylake_api.http_server.asgi import Receive, Scope, Send
from querylake_api.requests.record import RequestRecord

Route = Callable[[Scope, Receive, Send, RequestRecord], Awaitable[None]]
"""Serves the requests of one path."""
