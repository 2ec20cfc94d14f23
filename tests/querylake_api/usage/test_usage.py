"""Questions to the ledger, over HTTP and in the terminal."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from uuid import UUID

import pytest

from querylake_api.cli import main
from querylake_api.persistence.database import Database
from querylake_api.persistence.location import asyncpg_url
from querylake_api.requests.record import Outcome
from querylake_api.usage.entry import EntryIds, end_entry
from querylake_api.usage.insertion import insert_entries
from querylake_api.usage.question import Place, period
from querylake_api_testing.finished_requests import finished_request
from querylake_api_testing.running import RunningApi

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0
PERIOD = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-22T00:00:00Z"}


def entries() -> list[bytes]:
    """Return a day and a half of requests: one an hour, every third one to another model."""
    ids = EntryIds()
    found = []
    for number in range(36):
        outcome: Outcome = "upstream_error" if number == 35 else "success"
        model = "small" if number % 3 else "large"
        record = finished_request(
            outcome,
            request_id=f"req-{number}",
            began_at=NOON + number * HOUR,
            key_id=f"key_{number % 2}",
            model=model,
            upstream=f"{model}-1",
            stack="stable",
            content_chunks=5 if number == 34 else 0,
            prompt_tokens=None if number == 34 else 10,
            completion_tokens=None if number == 34 else 1,
            first_token_seconds=0.5 if number % 2 else None,
            seconds=2.0,
        )
        found.append(end_entry(ids.next(), record))
    return found


@pytest.fixture
async def _filled(database_url: str) -> None:
    database = Database(asyncpg_url(database_url))
    assert (await insert_entries(database, entries())).count == 36
    await database.close()


Query = Mapping[str, str | list[str]]


async def get(api: RunningApi, path: str, query: Query) -> dict[str, object]:
    answer = await api.client.get(
        f"/admin/usage{path}",
        params={**PERIOD, **query},
        headers=api.headers(api.admin_key),
    )
    assert answer.status_code == 200, answer.text
    document: dict[str, object] = answer.json()
    return document


@pytest.mark.usefixtures("_filled")
async def test_sums(api: RunningApi) -> None:
    total = (await get(api, "", {}))["data"]
    assert total == [
        {
            "group": {},
            "requests": 36,
            "failures": 1,
            "prompt_tokens": 350,
            "completion_tokens": 35,
            "uncounted_chunks": 5,
            "first_token_p50": 0.5,
            "first_token_p95": 0.5,
            "seconds_p95": 2.0,
        }
    ]


@pytest.mark.usefixtures("_filled")
async def test_groups_and_selections(api: RunningApi) -> None:
    async def counts(*dimensions: str, **query: str) -> list[tuple[object, object]]:
        answer = await get(api, "", {"group_by": list(dimensions), **query})
        data = answer["data"]
        assert isinstance(data, list)
        return [(tuple(each["group"].values()), each["requests"]) for each in data]

    assert await counts("model") == [(("large",), 12), (("small",), 24)]
    assert await counts("day") == [(("2026-11-20T00:00:00Z",), 12), (("2026-11-21T00:00:00Z",), 24)]
    assert await counts("model", "day", key="key_1") == [
        (("large", "2026-11-20T00:00:00Z"), 2),
        (("large", "2026-11-21T00:00:00Z"), 4),
        (("small", "2026-11-20T00:00:00Z"), 4),
        (("small", "2026-11-21T00:00:00Z"), 8),
    ]
    assert len(await counts("hour")) == 36
    assert await counts("outcome", model="small") == [(("success",), 23), (("upstream_error",), 1)]
    assert await counts("upstream", stack="candidate") == []
    assert await counts("key", outcome="upstream_error") == [(("key_1",), 1)]


@pytest.mark.usefixtures("_filled")
async def test_every_record_once_page_by_page(api: RunningApi) -> None:
    names: list[str] = []
    query = {"limit": "7"}
    while True:
        page = await get(api, "/records", query)
        data = page["data"]
        assert isinstance(data, list)
        names += [record["request_id"] for record in data]
        query["after"] = str(page["last"])
        if not page["has_more"]:
            break
    assert names == [f"req-{number}" for number in reversed(range(36))]


@pytest.mark.parametrize(
    ("path", "query", "status", "param"),
    [
        ("", {"from": "2026-11-22", "to": "2026-11-20"}, 400, "from"),
        ("", {"group_by": "colour"}, 422, "group_by[0]"),
        ("/records", {"after": "nonsense"}, 400, "after"),
        ("/records", {"limit": "0"}, 422, "limit"),
    ],
)
async def test_questions_that_make_no_sense(
    api: RunningApi, path: str, query: dict[str, str], status: int, param: str
) -> None:
    answer = await api.client.get(
        f"/admin/usage{path}", params=query, headers=api.headers(api.admin_key)
    )
    assert answer.status_code == status
    assert answer.json()["error"]["param"] == param


async def test_only_for_administrators(api: RunningApi) -> None:
    assert (await api.get("/admin/usage")).status_code == 403
    assert (await api.client.get("/admin/usage/records")).status_code == 401


def test_a_place_survives_being_written() -> None:
    place = Place(datetime(2026, 11, 20, 1, 2, 3, 456789, tzinfo=UTC), UUID(EntryIds().next()))
    assert Place.parse(str(place)) == place


def test_moments_without_a_zone_are_of_utc() -> None:
    start, end = period(datetime(2026, 11, 20), datetime(2026, 11, 21))
    assert (start.tzinfo, end.tzinfo) == (UTC, UTC)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], config_file: Path
) -> Callable[..., str]:
    """Give a function that runs `usage` and returns what it printed."""

    def run(*arguments: str) -> str:
        command = ["querylake_api.pex", "usage", *arguments, "--config", str(config_file)]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert not ended.value.code, printed.err
        return printed.out

    return run


@pytest.mark.usefixtures("_filled")
def test_in_the_terminal(run: Callable[..., str]) -> None:
    days = ("--from", "2026-11-20", "--to", "2026-11-22")
    table = run("totals", *days).splitlines()
    assert table[1].split()[:3] == ["model", "requests", "failed"]
    assert table[3].split() == ["large", "12", "0", "120", "12", "0", "0.500", "0.500", "2.000"]
    rows = list(csv.DictReader(StringIO(run("totals", *days, "--group-by", "day", "--csv"))))
    assert [row["requests"] for row in rows] == ["12", "24"]
    documents = run("records", *days, "--limit", "2", "--json").splitlines()
    assert [json.loads(line)["request_id"] for line in documents] == ["req-35", "req-34"]
    assert "req-35" in run("records", *days, "--limit", "1")
    assert "Deleted 12 records" in run("prune", "--before", "2026-11-21", "--yes")
    rows = list(csv.DictReader(StringIO(run("records", *days, "--csv"))))
    assert len(rows) == 24


@pytest.mark.usefixtures("_filled")
def test_nothing_is_nothing(run: Callable[..., str]) -> None:
    assert run("records", "--key", "nobody", "--json") == ""
    assert run("totals", "--key", "nobody", "--csv") == ""
