"""Webhooks: every event of a rollout, posted to its receivers, signed and retried.

Each receiver gets its events in order and at least once; it tells repetitions by the event's
number. An event that cannot be delivered is given up after a few attempts, and the log says so.

Receivers are strangers. One that hangs, drips bytes or sends an endless response delays its own
events only: each URL has a queue of its own, an attempt is bounded as a whole, and of a response
nothing but the status is read.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

import httpx

from querylake_api.persistence.errors import DatabaseUnavailable
from querylake_api.rollouts.records.event_view import EventView
from querylake_api.rollouts.records.repository import Event, Rollout, RolloutRepository

ATTEMPTS = 3
ATTEMPT_SECONDS = 5.0
"""One attempt as a whole, from connecting to the response's head."""

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
        # asyncio.Lock wakes its waiters in the order in which they came: a queue for each URL.
        self._queues: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._sent: dict[int, bool] = {}
        self._marking = asyncio.Lock()

    async def run(self) -> None:
        """Send what is new, again and again, until cancelled."""
        self._sent.clear()  # after a failure, what was under way is sent again
        async with _client() as client, asyncio.TaskGroup() as group:
            while True:
                await self._news.wait()
                self._news.clear()
                # The follower says so; what is new stays new.
                with suppress(DatabaseUnavailable):
                    await self._begin_new(client, group)

    async def send_new(self, client: httpx.AsyncClient) -> None:
        """Send every event that was not sent yet, and return when that is done."""
        async with asyncio.TaskGroup() as group:
            await self._begin_new(client, group)

    async def _begin_new(self, client: httpx.AsyncClient, group: asyncio.TaskGroup) -> None:
        events = await self._repository.unannounced()
        # Events that another controller has announced meanwhile are no longer ours to mark.
        self._sent = {event.id: self._sent[event.id] for event in events if event.id in self._sent}
        for event in events:
            if event.id in self._sent:
                continue
            # Read here, one after the other: what waits for a receiver must queue up in order.
            rollout = await self._repository.get(event.rollout_id)
            self._sent[event.id] = False
            group.create_task(self._send(client, event, rollout))
        await self._mark()

    async def _send(self, client: httpx.AsyncClient, event: Event, rollout: Rollout | None) -> None:
        if rollout is not None and rollout.plan.webhooks:
            body = _body(event, rollout.model)
            urls = map(str, rollout.plan.webhooks)
            await asyncio.gather(*(self._deliver(client, url, event.id, body) for url in urls))
        if event.id in self._sent:
            self._sent[event.id] = True
        # Without the database it stays unmarked, and is marked with the next news.
        with suppress(DatabaseUnavailable):
            await self._mark()

    async def _mark(self) -> None:
        """Note in the database up to which event all have been sent."""
        async with self._marking:
            marked = 0
            for event_id in sorted(self._sent):
                if not self._sent[event_id]:
                    break
                marked = event_id
            if not marked:
                return
            await self._repository.announced(marked)
            self._sent = {each: sent for each, sent in self._sent.items() if each > marked}

    async def _deliver(
        self, client: httpx.AsyncClient, url: str, event_id: int, body: bytes
    ) -> None:
        async with self._queues[url]:
            problem = ""
            for attempt in range(ATTEMPTS):
                if attempt:
                    await asyncio.sleep(PAUSE_SECONDS * 2**attempt)
                problem = await self._attempt(client, url, event_id, body)
                if not problem:
                    return
        host = httpx.URL(url).host
        _log.warning("event %d was not delivered to a webhook at %s: %s", event_id, host, problem)

    async def _attempt(
        self, client: httpx.AsyncClient, url: str, event_id: int, body: bytes
    ) -> str:
        """Post an event once. Returns what went wrong, or an empty string."""
        try:
            async with (
                asyncio.timeout(ATTEMPT_SECONDS),
                client.stream(
                    "POST", url, content=body, headers=self._headers(event_id, body)
                ) as response,
            ):
                # The body is not read: leaving the block closes the connection.
                return "" if response.is_success else f"status {response.status_code}"
        except TimeoutError:
            return f"no response within {ATTEMPT_SECONDS:g} s"
        except httpx.HTTPError as error:
            return str(error) or type(error).__name__

    def _headers(self, event_id: int, body: bytes) -> dict[str, str]:
        timestamp = str(int(time.time()))
        headers = {
            "content-type": "application/json",
            "x-querylake-event": str(event_id),
            "x-querylake-timestamp": timestamp,
        }
        name = self._secret_env()
        secret = os.environ.get(name) if name is not None else None
        if secret:
            headers["x-querylake-signature"] = signature(secret, timestamp, body)
        return headers


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=ATTEMPT_SECONDS, follow_redirects=False)


def _body(event: Event, model: str) -> bytes:
    view = EventView.of(event).model_dump(mode="json")
    return httpx.Request(
        "POST", "http://x", json={**view, "rollout": event.rollout_id, "model": model}
    ).content
