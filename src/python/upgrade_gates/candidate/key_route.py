"""A key of the check's own that the API routes to the candidate, for as long as the check lasts.

Before an upgrade is promoted, the API sends every key to the old engine. So a check makes a key,
and a rollout whose `allow` names it, and takes both away again. The rollout's only step has the
smallest share that the API knows, 0.01%, because a step without any share is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from upgrade_gates.candidate.admin import Admin
from upgrade_gates.errors import AdminRefused

MARK = "upgrade_gates asks the candidate"
"""Stands in the name of the key and in the events of the rollout: it is no canary."""

SHARE = 0.01
KEY_DAYS = 0.05
"""The key expires after 72 minutes, should the check be killed before it can revoke it."""

FOLLOW_SECONDS = 15.0
FOLLOW_EVERY = 0.2

ROLLOUTS = "/admin/rollouts"
KEYS = "/admin/keys"
_LIVE = ("running", "paused")


@dataclass
class KeyRoute:
    """How a check reaches the candidate.

    Attributes:
        key: the secret.
        key_id: the key's id in the ledger.
        how: one clause on why this key should reach the candidate.
        left_behind: what could not be taken away again.
    """

    key: str
    key_id: str
    how: str
    left_behind: list[str] = field(default_factory=list)


@asynccontextmanager
async def routed_key(
    admin: Admin, model: str, *, embeddings: bool = False
) -> AsyncIterator[KeyRoute]:
    """Make a key that is routed to the model's candidate, and take it away at the end.

    Args:
        model: the name that clients use.
        embeddings: the model makes vectors, for which the API asks for consent.

    Raises:
        AdminRefused: the key cannot be made.
    """
    made = await admin.post(
        KEYS,
        {
            "name": MARK,
            "models": [model],
            "expires_in_days": KEY_DAYS,
            "requests_per_minute": 0,
            "tokens_per_minute": 0,
            "concurrency": 0,
        },
    )
    route = KeyRoute(str(made.get("key", "")), made["id"], "")
    rollout: str | None = None
    try:
        rollout, route.how = await _routed(admin, model, route.key_id, embeddings)
        yield route
    finally:
        if rollout is not None:
            await _undo(route, f"rollout {rollout}", _abort(admin, rollout))
        await _undo(route, f"key {route.key_id}", admin.delete(f"{KEYS}/{route.key_id}"))


async def _routed(
    admin: Admin, model: str, key_id: str, embeddings: bool
) -> tuple[str | None, str]:
    """Return the rollout that was made for the key, and how the key is routed."""
    standing = await _standing(admin, model)
    if standing is not None:
        return None, standing
    plan = {
        "model": model,
        "steps": [{"percent": SHARE, "bake_seconds": 86_400}],
        "allow": [key_id],
        "auto_promote": False,
        "allow_embeddings": embeddings,
    }
    try:
        made = await admin.post(ROLLOUTS, plan)
    except AdminRefused as error:
        if error.status is None or error.status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise
        return None, f"no rollout could be made for it: {error}"
    rollout: str = made["id"]
    try:
        await admin.post(f"{ROLLOUTS}/{rollout}/start", {"reason": MARK})
        await _followed(admin, rollout)
    except AdminRefused as error:
        await _abort(admin, rollout)
        return None, f"the rollout for it did not start: {error}"
    except asyncio.CancelledError:
        await _abort(admin, rollout)
        raise
    return rollout, f"with a key of its own in rollout {rollout}, both taken away again"


async def _standing(admin: Admin, model: str) -> str | None:
    """Return how every key is routed by a rollout of the operator's; None if there is none."""
    names = await names_of(admin, model)
    ours = [
        each
        for each in await admin.entries(ROLLOUTS)
        if each.get("model") in names and each.get("started_at")
    ]
    live = next((each for each in ours if each.get("status") in _LIVE), None)
    if live is not None and await _is_a_check_s(admin, str(live.get("id"))):
        return (
            f"rollout {live.get('id')} of {model} was made by another check like this one, which "
            "runs now or was killed; if it was killed, end it: POST "
            f"{ROLLOUTS}/{live.get('id')}/abort"
        )
    if live is not None:
        return (
            f"rollout {live.get('id')} of {model} is {live.get('status')}, so the key is drawn by "
            "its shares; run this check before the rollout starts or after it has ended"
        )
    last = max(ours, key=lambda each: str(each.get("started_at")), default=None)
    if last is not None and last.get("status") == "promoted":
        return f"rollout {last.get('id')} is promoted, so every key is routed to the candidate"
    return None


async def _is_a_check_s(admin: Admin, rollout: str) -> bool:
    """Return whether a rollout was made by a check: what it does is no canary of the operator's."""
    events = await admin.entries(f"{ROLLOUTS}/{rollout}/events")
    return any(MARK in str(event.get("sentence")) for event in events)


async def names_of(admin: Admin, model: str) -> set[str]:
    """Return a model's id and aliases, as far as the API lists them: rollouts go by the id."""
    try:
        found = await admin.get(f"/v1/models/{model}")
    except AdminRefused:
        return {model}
    return {model, *([str(found["id"])] if isinstance(found, dict) and "id" in found else [])}


async def _followed(admin: Admin, rollout: str) -> None:
    """Wait until every worker routes by the rollout; a worker that is late shows in the counter."""
    for _ in range(round(FOLLOW_SECONDS / FOLLOW_EVERY)):
        events = await admin.entries(f"{ROLLOUTS}/{rollout}/events")
        if any(event.get("kind") == "flipped" for event in events):
            return
        await asyncio.sleep(FOLLOW_EVERY)


async def _abort(admin: Admin, rollout: str) -> None:
    await admin.post(f"{ROLLOUTS}/{rollout}/abort", {"reason": f"{MARK}: done"})


async def _undo(route: KeyRoute, what: str, undoing: Any) -> None:
    try:
        await undoing
    except AdminRefused as error:
        route.left_behind.append(f"{what} could not be taken away: {error}")
