"""The API's own records of rollouts (`/admin/rollouts`), read over HTTP."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from upgrade_gates.candidate.key_route import KEYS, MARK
from upgrade_gates.context import Api
from upgrade_gates.engine import secret

PATH = "/admin/rollouts"
USAGE = "/admin/usage"
PARITY = "/admin/parity/rollouts"
PROMOTED = "promoted"
MANY_KEYS = 20


class _Model(BaseModel):
    # What the API adds to its records later is none of our business.
    model_config = ConfigDict(frozen=True)


class Event(_Model):
    """Something that happened to a rollout.

    Attributes:
        sentence: what the API says of it.
        kind: e.g. `rolled_back`. After each change of routing comes a `flipped`, whose figures name
            the change (`event`) and how long it took to reach every worker (`seconds`).
    """

    id: int
    kind: str
    sentence: str = ""
    figures: Mapping[str, Any] = {}


class Step(_Model):
    """A share of the traffic."""

    percent: float


class Plan(_Model):
    """What a rollout was told to do."""

    steps: tuple[Step, ...] = ()
    allow: tuple[str, ...] = ()
    judging: Mapping[str, Any] = {}
    parity: Mapping[str, Any] | None = None


class PairVerdict(_Model):
    """What pairs of answers have shown."""

    standing: str
    sentence: str
    pairs: int = 0
    own_pairs: int = 0


class Rollout(_Model):
    """A rollout.

    Attributes:
        candidates: the upstreams that the candidate's share went to.
        started_at: None for one that never routed anything.
        served: requests that the candidate served, as the API's ledger counts them from its start
            to its end; None where the ledger cannot be read.
        failed: those of them that an engine or the API is to blame for.
        parity: what its pairs have shown; None if it made none, or the API does not tell.
    """

    id: str
    model: str
    status: str
    candidates: tuple[str, ...] = ()
    created_at: str = ""
    started_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None
    served: int | None = None
    failed: int = 0
    parity: PairVerdict | None = None
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
                rollout = Rollout.model_validate({**entry, "events": events})
                found.append(_with_parity(client, _with_served(client, rollout, raw), raw))
        except httpx.HTTPStatusError as error:
            return _refused(error.response, "\n".join(raw))
        except httpx.HTTPError as error:
            return Records(problem=f"{api.url} does not answer: {error}", raw="\n".join(raw))
        except (ValidationError, ValueError, KeyError, TypeError) as error:
            return Records(problem=f"its records cannot be understood: {error}", raw="\n".join(raw))
    return Records(tuple(found), raw="\n".join(raw))


def _with_served(client: httpx.Client, rollout: Rollout, raw: list[str]) -> Rollout:
    """Return a rollout with what the candidate served while it ran.

    After a promotion the candidate serves everybody, and the ledger goes on to call it so.
    """
    if rollout.started_at is None:
        return rollout
    period = {"from": rollout.started_at.isoformat()}
    if rollout.status != PROMOTED and rollout.ended_at is not None:
        period["to"] = rollout.ended_at.isoformat()
    served, failed = 0, 0
    for upstream in rollout.candidates or (None,):
        query = {"model": rollout.model, "stack": "candidate", "group_by": "key", **period}
        query |= {} if upstream is None else {"upstream": upstream}
        try:
            groups = _of_others(client, _entries(_get(client, USAGE, raw, query)), raw)
        except httpx.HTTPStatusError:
            return rollout
        served += sum(int(group["requests"]) - int(group["failures"]) for group in groups)
        failed += sum(int(group["failures"]) for group in groups)
    return rollout.model_copy(update={"served": served, "failed": failed})


def _with_parity(client: httpx.Client, rollout: Rollout, raw: list[str]) -> Rollout:
    """Return a rollout with what its pairs of answers have shown. Texts are left where they are."""
    if rollout.plan.parity is None:
        return rollout
    path = f"{PARITY}/{rollout.id}"
    answer = client.get(path)
    if answer.is_error:
        raw.append(f"> GET {path}\n< {answer.status_code}")
        return rollout
    verdict = PairVerdict.model_validate(answer.json()["verdict"])
    raw.append(f"> GET {path}\n< {answer.status_code}\n{verdict.model_dump_json()}")
    return rollout.model_copy(update={"parity": verdict})


def _of_others(
    client: httpx.Client, groups: list[dict[str, Any]], raw: list[str]
) -> list[dict[str, Any]]:
    """Leave out the keys of our own checks: what they ask is no traffic.

    Where many keys have asked, most are not ours, and each is not looked up.
    """
    if len(groups) > MANY_KEYS:
        return groups
    return [group for group in groups if not _is_a_check_s(client, group, raw)]


def _is_a_check_s(client: httpx.Client, group: dict[str, Any], raw: list[str]) -> bool:
    key = group.get("group", {}).get("key")
    if not key:
        return False
    try:
        return bool(_get(client, f"{KEYS}/{key}", raw).get("name") == MARK)
    except httpx.HTTPStatusError:
        return False


def _get(
    client: httpx.Client, path: str, raw: list[str], query: Mapping[str, str] | None = None
) -> Any:
    answer = client.get(path, params=query)
    raw.append(
        f"> GET {answer.request.url.raw_path.decode()}\n< {answer.status_code}\n{answer.text}"
    )
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
