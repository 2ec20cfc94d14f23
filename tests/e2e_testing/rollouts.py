"""Rollouts of the model that chats, moved over the API's own routes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import openai

from e2e_testing.stack import CHAT_MODEL

ROUTE = "/admin/rollouts"
SECONDS = 150.0


class Rollouts:
    """What an operator does with `/admin/rollouts`.

    Args:
        key: with the scopes `admin` and `inference`.
    """

    def __init__(self, url: str, key: str) -> None:
        self._admin = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=SECONDS,
        )
        self._client = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    def started(self) -> str:
        """Start a rollout that is soon decided, and wait until every worker follows it."""
        plan = {
            "model": CHAT_MODEL,
            "steps": [{"percent": 50, "bake_seconds": 0}],
            "sticky": False,
            "auto_promote": False,
            "judging": {"error_margin": 0.45, "min_requests": 1, "warmup_seconds": 0},
        }
        created = self._admin.post(ROUTE, json=plan)
        assert created.status_code == 201, created.text
        rollout: str = created.json()["id"]
        assert self.order(rollout, "start").status_code == 200
        self.flipped(rollout, "started")
        return rollout

    def order(self, rollout: str, action: str) -> httpx.Response:
        """Do something with it."""
        return self._admin.post(f"{ROUTE}/{rollout}/{action}", json={"reason": "a test"})

    def flipped(self, rollout: str, kind: str) -> None:
        """Wait until every worker follows a change of this kind."""

        def told() -> bool:
            events = self._admin.get(f"{ROUTE}/{rollout}/events").json()["data"]
            ids = [event["id"] for event in events if event["kind"] == kind]
            return any(
                event["kind"] == "flipped" and event["figures"]["event"] in ids for event in events
            )

        _until(told)

    def decided(self, rollout: str) -> None:
        """Ask the model until the rollout is through its last step."""

        def through() -> bool:
            # An answer that is cut by length would count as odd.
            self._client.chat.completions.create(
                model=CHAT_MODEL,
                messages=[{"role": "user", "content": "What is the capital of France?"}],
                max_tokens=24,
                temperature=0,
            )
            judgement = self._admin.get(f"{ROUTE}/{rollout}").json()["judgement"]
            return judgement is not None and judgement["next"] == "finish"

        _until(through)

    def event(self, rollout: str, kind: str) -> dict[str, Any]:
        """Return the only event of a kind."""
        events = self._admin.get(f"{ROUTE}/{rollout}/events").json()["data"]
        (found,) = (event for event in events if event["kind"] == kind)
        return dict(found)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.05)
