"""What an engine's supervisor says on its second port, `GET /runtime/status`.

The other end is `vllm_runtime.status`, possibly of another version: only what is needed is read,
and words that are not known here are taken as they are.
"""

from __future__ import annotations

from datetime import datetime

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError


class RuntimeExit(BaseModel):
    """How the engine before this one ended."""

    model_config = ConfigDict(frozen=True)

    reason: str
    detail: str = ""
    at: datetime


class RuntimeStatus(BaseModel):
    """The engine as its supervisor sees it.

    Attributes:
        state: `ready`, or a word for why it is not.
        restarts: since the supervisor started.
    """

    model_config = ConfigDict(frozen=True)

    state: str
    ready: bool
    restarts: int = 0
    last_exit: RuntimeExit | None = None
    requests_running: int | None = None
    requests_waiting: int | None = None
    tokens_total: int | None = None


class RuntimeClient:
    """Asks one supervisor."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/runtime/status"
        self._client: httpx.AsyncClient | None = None

    async def status(self) -> RuntimeStatus | None:
        """Return what it says; None without an answer that can be read."""
        # Made on first use: making one costs more than all its requests.
        if self._client is None:
            self._client = httpx.AsyncClient(trust_env=False, timeout=None)
        try:
            answer = await self._client.get(self._url)
            return RuntimeStatus.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError):
            return None

    async def close(self) -> None:
        """Release the connection."""
        if self._client is not None:
            await self._client.aclose()
