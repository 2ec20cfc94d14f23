"""One request being handled, and what its handler has learnt of it so far."""

# compiled: runs for each request.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from querylake_api.http_server.exchange import Exchange
from querylake_api.requests.dialect import Dialect
from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import (
    EngineAttempts,
    Progress,
    RequestRecord,
    ResponseContent,
    ResponseEnding,
    Timing,
    Workload,
)

_NO_ENGINE: Final = EngineAttempts()
_NO_CONTENT: Final = ResponseContent()
_UNKNOWN: Final = ResponseEnding(0, "server_error")


class Handling(ABC):
    """Handles one request. Its parts are replaced as wholes, by itself alone.

    They are attributes, and not only returned, because a request may be cancelled anywhere, and
    what was learnt until then is to be reported all the same.

    Attributes:
        dialect: how its caller expects errors.
        ending: None until the response's end was said.
    """

    __slots__ = (
        "content",
        "dialect",
        "ending",
        "engines",
        "exchange",
        "identity",
        "progress",
        "workload",
    )

    def __init__(
        self, exchange: Exchange, identity: RequestIdentity, workload: Workload, dialect: Dialect
    ) -> None:
        self.exchange = exchange
        self.identity = identity
        self.workload = workload
        self.dialect: Dialect = dialect
        self.engines = _NO_ENGINE
        self.content = _NO_CONTENT
        self.ending: ResponseEnding | None = None
        self.progress = Progress()

    @abstractmethod
    async def run(self) -> None:
        """Handle the request to its end, whatever that is.

        Raises:
            Exception: what nobody foresaw. The client was told nothing of it.
        """


def record_of(handling: Handling, finished_at: float) -> RequestRecord:
    """Return the record of a request that has ended. Nowhere else are its parts put together.

    Args:
        finished_at: in `perf_counter` seconds.
    """
    return RequestRecord(
        handling.identity,
        handling.workload,
        handling.engines,
        handling.content,
        handling.ending or _UNKNOWN,
        Timing(handling.identity.started_at, finished_at, handling.progress),
    )


Route = Callable[[Exchange, RequestIdentity], Handling]
"""Serves the requests of one path, ahead of FastAPI."""
