"""Asking a server on this machine something small."""

from __future__ import annotations

import asyncio
import http.client
from dataclasses import dataclass
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 3.0
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: of HTTP; 0 if nobody answered.
        text: the body, or why there is none.
    """

    status: int
    text: str


async def ask(base_url: str, path: str, key: str | None = None) -> Answer:
    """Send one GET request. Proxies of the environment are not asked: this is our own machine."""
    return await asyncio.to_thread(_ask, base_url, path, key)


class Question:
    """A request that is repeated until the answer is the one that is hoped for."""

    def __init__(self, base_url: str, path: str, key: str | None = None) -> None:
        self._request = (base_url, path, key)
        self.path = path
        self.answer = Answer(0, "not asked yet")

    async def until(self, *statuses: int) -> Answer:
        """Return the first answer with one of these statuses. The caller sets the deadline."""
        while True:
            self.answer = await ask(*self._request)
            if self.answer.status in statuses:
                return self.answer
            await asyncio.sleep(_PAUSE_SECONDS)


def _ask(base_url: str, path: str, key: str | None) -> Answer:
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(
        address.hostname or "", address.port, timeout=TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", path, headers={"authorization": f"Bearer {key}"} if key else {})
        response = connection.getresponse()
        return Answer(response.status, response.read().decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, str(error) or type(error).__name__)
    finally:
        connection.close()
