"""Telling others what happened: signed, tried again, bounded, and never in the controller's way.

Each event is sent at least once, in order; a receiver tells repetitions by its number. One that
cannot be delivered is given up after a few attempts, and the log says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import httpx

from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.rollouts.records.event_view import EventView
from querylake_api.rollouts.records.repository import Event, RolloutRepository

ATTEMPTS = 3
TIMEOUT_SECONDS = 5.0
PAUSE_SECONDS = 1.0

_log = logging.getLogger(__name__)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return what `x-querylake-signature` holds, over the timestamp, a dot, and the body."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


class Webhooks:
    """Sends events from wherever the controller is.

    Args:
        news: set by this process's controller when there is something to send.
        secret_env: tells the name of the environment variable with the secret; None for none.
    """

    def __init__(
        self,
        repository: RolloutRepository,
        news: asyncio.Event,
        secret_env: Callable[[], str | None],
    ) -> None:
        self._repository = repository
        self._news = news
        self._secret_env = secret_env

    async def run(self) -> None:
        """Send what is new, again and again, until cancelled."""
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
            while True:
                await self._news.wait()
                self._news.clear()
                # The follower says so; what is new stays new.
                with suppress(DatabaseUnavailable):
                    await self.send_new(client)

    async def send_new(self, client: httpx.AsyncClient) -> None:
        """Send every event that was not sent yet."""
        for event in await self._repository.unannounced():
            rollout = await self._repository.get(event.rollout_id)
            if rollout is not None and rollout.plan.webhooks:
                await self._send(client, map(str, rollout.plan.webhooks), event, rollout.model)
            await self._repository.announced(event.id)

    async def _send(
        self, client: httpx.AsyncClient, urls: Iterable[str], event: Event, model: str
    ) -> None:
        view = EventView.of(event).model_dump(mode="json")
        body = httpx.Request(
            "POST", "http://x", json={**view, "rollout": event.rollout_id, "model": model}
        ).content
        await asyncio.gather(*(self._deliver(client, url, event, body) for url in urls))

    async def _deliver(
        self, client: httpx.AsyncClient, url: str, event: Event, body: bytes
    ) -> None:
        timestamp = str(int(time.time()))
        headers = {
            "content-type": "application/json",
            "x-querylake-event": str(event.id),
            "x-querylake-timestamp": timestamp,
        }
        name = self._secret_env()
        secret = os.environ.get(name) if name is not None else None
        if secret:
            headers["x-querylake-signature"] = signature(secret, timestamp, body)
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(PAUSE_SECONDS * 2**attempt)
            try:
                answer = await client.post(url, content=body, headers=headers)
            except httpx.HTTPError as error:
                problem = str(error) or type(error).__name__
                continue
            if answer.is_success:
                return
            problem = f"status {answer.status_code}"
        host = httpx.URL(url).host
        _log.warning("event %d was not delivered to a webhook at %s: %s", event.id, host, problem)
