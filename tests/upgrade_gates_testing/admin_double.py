"""The API's admin routes as far as checks use them, and who a key's requests would go to."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEYS = "/admin/keys"
ROLLOUTS = "/admin/rollouts"

Answer = tuple[int, object]


@dataclass
class AdminDouble:
    """Keys, rollouts and a ledger in memory.

    Attributes:
        candidate: the upstream that a model's candidate is; None where there is none.
        served: what the ledger says of the candidate: requests and failures, by rollout id.
        ignores_allow: the fault that the API sends every key to the old engine.
        ledger: whether there is one.
        revoked, aborted: what was taken away.
    """

    candidate: str | None = "gpu"
    model: str = "smollm2"
    served: dict[str, tuple[int, int]] = field(default_factory=dict)
    ignores_allow: bool = False
    ledger: bool = True
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    rollouts: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)

    def reaches_candidate(self, token: str) -> bool:
        """Return whether a request with this bearer token goes to the candidate."""
        made = next((each for each in self.keys.values() if each["key"] == token), None)
        if any(each["status"] == "promoted" for each in self.rollouts[-1:]):
            return True
        if made is None or self.ignores_allow:
            return False
        return any(
            made["id"] in each["plan"].get("allow", ()) and each["status"] == "running"
            for each in self.rollouts
        )

    def note(self, token: str) -> None:
        """Write a request into the ledger."""
        made = next((each for each in self.keys.values() if each["key"] == token), {"id": "key_0"})
        stack = "candidate" if self.reaches_candidate(token) else "stable"
        self.records.append({"key_id": made["id"], "stack": stack, "upstream": self.candidate})

    def answer(self, method: str, target: str, body: bytes) -> Answer | None:
        """Answer a request; None if it is none for these routes."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path, sent = parts.path, json.loads(body) if body else {}
        if path.startswith(KEYS):
            return self._keys(method, path, sent)
        if path.startswith(ROLLOUTS):
            return self._rollouts(method, path, sent)
        if path == "/admin/upstreams":
            served = [{"id": self.model, "stack": "candidate"}]
            return 200, {"data": [{"name": self.candidate, "models": served}]}
        if path == "/admin/usage/records":
            return 200, {"data": [r for r in self.records if r["key_id"] == query.get("key")]}
        if path == "/admin/usage":
            if not self.ledger:
                return 503, _error("the database is away")
            return 200, {"data": self._usage(query)}
        return None

    def _keys(self, method: str, path: str, sent: dict[str, Any]) -> Answer:
        if method == "POST":
            name = f"key_{len(self.keys) + 1}"
            self.keys[name] = {**sent, "id": name, "key": f"sk-{name}"}
            return 201, self.keys[name]
        name = path.rpartition("/")[2]
        if method == "DELETE":
            self.revoked.append(name)
        return (200, self.keys[name]) if name in self.keys else (404, _error("no such key"))

    def _rollouts(self, method: str, path: str, sent: dict[str, Any]) -> Answer:
        if method == "GET" and path == ROLLOUTS:
            listed = [{k: v for k, v in r.items() if k != "events"} for r in self.rollouts[::-1]]
            return 200, {"object": "list", "data": listed}
        if method == "POST" and path == ROLLOUTS:
            if self.candidate is None:
                return 400, _error("the model has no candidate")
            self.rollouts.append(self._draft(sent))
            return 201, self.rollouts[-1]
        name, _, action = path.removeprefix(f"{ROLLOUTS}/").partition("/")
        rollout = next(each for each in self.rollouts if each["id"] == name)
        if action == "events":
            return 200, {"object": "list", "data": rollout["events"]}
        self._act(rollout, action, str(sent.get("reason", "")))
        return 200, rollout

    def _draft(self, plan: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"made_{len(self.rollouts) + 1}",
            "model": plan["model"],
            "candidates": [self.candidate],
            "status": "draft",
            "created_at": _now(),
            "started_at": None,
            "plan": plan,
            "events": [],
        }

    def _act(self, rollout: dict[str, Any], action: str, reason: str) -> None:
        number = len(rollout["events"]) + 1
        if action == "start":
            rollout |= {"status": "running", "started_at": _now()}
        else:
            rollout |= {"status": "aborted", "ended_at": _now()}
            self.aborted.append(rollout["id"])
        rollout["events"] += [
            {"id": number, "kind": "started", "sentence": f"Started. {reason}.", "figures": {}},
            {"id": number + 1, "kind": "flipped", "figures": {"event": number, "seconds": 0.1}},
        ]

    def _usage(self, query: dict[str, str]) -> list[dict[str, Any]]:
        """Return the sums of the rollout that began when the question says."""
        asked = _moment(query["from"])
        for each in (each for each in self.rollouts if each["started_at"]):
            if _moment(each["started_at"]) == asked:
                requests, failures = self.served.get(each["id"], (0, 0))
                group = {"group": {"key": "key_0"}, "requests": requests, "failures": failures}
                return [group] if requests else []
        return []


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)
