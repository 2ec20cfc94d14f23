"""The API's own records of rollouts (`/admin/rollouts`), read over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from upgrade_gates.context import Api
from upgrade_gates.engine import secret

PATH = "/admin/rollouts"


class _Model(BaseModel):
    # What the API adds to its records later is none of our business.
    model_config = ConfigDict(frozen=True)


class Event(_Model):
    """Something that happened to a rollout.

    Attributes:
        kind: e.g. `rolled_back`. After each change of routing comes a `flipped`, whose figures name
            the change (`event`) and how long it took to reach every worker (`seconds`).
    """

    id: int
    kind: str
    figures: Mapping[str, Any] = {}


class Step(_Model):
    """A share of the traffic."""

    percent: float


class Plan(_Model):
    """What a rollout was told to do."""

    steps: tuple[Step, ...] = ()
    allow: tuple[str, ...] = ()
    judging: Mapping[str, Any] = {}


class Rollout(_Model):
    """A rollout.

    Attributes:
        started_at: None for one that never routed anything.
    """

    id: str
    model: str
    status: str
    created_at: str = ""
    started_at: str | None = None
    plan: Plan = Plan()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Records:
    """What the API told.

    Attributes:
        problem: why there are no records; None if there are.
        absent: whether that is because this API has no rollouts at all.
        raw: its answers.
    """

    rollouts: tuple[Rollout, ...] = ()
    problem: str | None = None
    absent: bool = False
    raw: str = ""


def read_records(api: Api, *, seconds: float) -> Records:
    """Ask for every rollout, and for the events of each.

    Raises:
        ContextUnusable: the variable with the key is not set.
    """
    key = secret(api.admin_key_env or api.key_env)
    headers = {"Authorization": f"Bearer {key}"}
    raw: list[str] = []
    with httpx.Client(base_url=api.url, headers=headers, timeout=seconds) as client:
        try:
            listed = _get(client, PATH, raw)
            found = []
            for entry in _entries(listed):
                events = _entries(_get(client, f"{PATH}/{entry['id']}/events", raw))
                found.append(Rollout.model_validate({**entry, "events": events}))
        except httpx.HTTPStatusError as error:
            return _refused(error.response, "\n".join(raw))
        except httpx.HTTPError as error:
            return Records(problem=f"{api.url} does not answer: {error}", raw="\n".join(raw))
        except (ValidationError, ValueError, KeyError, TypeError) as error:
            return Records(problem=f"its records cannot be understood: {error}", raw="\n".join(raw))
    return Records(tuple(found), raw="\n".join(raw))


def _get(client: httpx.Client, path: str, raw: list[str]) -> Any:
    answer = client.get(path)
    raw.append(f"> GET {path}\n< {answer.status_code}\n{answer.text}")
    answer.raise_for_status()
    return json.loads(answer.text)


def _entries(document: Any) -> list[dict[str, Any]]:
    """Return the entries of a list in OpenAI's form."""
    entries = document["data"]
    if not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("an entry is no object")
    return list(entries)


def _refused(answer: httpx.Response, raw: str) -> Records:
    if answer.status_code == httpx.codes.NOT_FOUND:
        return Records(problem=f"this API has no {PATH}", absent=True, raw=raw)
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return Records(
            problem=f"it refuses the key ({answer.status_code}); set api.admin_key_env to the "
            "variable with a key of scope `admin`",
            raw=raw,
        )
    return Records(problem=f"{PATH} answers {answer.status_code}", raw=raw)
