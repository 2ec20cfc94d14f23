"""Gate 6: smoke tests through the API, and what its records of rollouts show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from upgrade_gates.evidence.chain import Record
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.session import open_session
from upgrade_gates_testing.process import run
from upgrade_gates_testing.replay import Replay, replaying
from upgrade_gates_testing.workspaces import make_workspace

CONTEXT = """\
[old]
url = "{api.url}"
model = "smollm2"
[api]
url = "{api.base}"
model = "smollm2"
rerank_model = "minilm"
ocr = true
admin_key_env = "ADMIN"
"""

RANKED = {
    "results": [
        {"index": 1, "relevance_score": 0.8},
        {"index": 0, "relevance_score": 0.1},
    ]
}
JUDGING = {
    "error_margin": 0.01,
    "latency_ratio": 1.25,
    "max_connect_failures": 5,
    "stall_seconds": None,
}


def rollout(
    name: str, status: str, created: str, events: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    return {
        "id": name,
        "model": "smollm2",
        "status": status,
        "created_at": created,
        "started_at": None if status == "draft" else created,
        "plan": {"steps": [{"percent": 1}, {"percent": 50}], "judging": JUDGING},
        "events": events or [],
    }


FLIP = [
    {"id": 4, "kind": "flipped", "figures": {"event": 3, "seconds": 9.0, "workers": 2}},
    {"id": 7, "kind": "rolled_back", "sentence": "Rolled back.", "figures": {"version": 5}},
    {"id": 8, "kind": "flipped", "figures": {"event": 7, "seconds": 0.415, "workers": 2}},
]
ROLLOUTS = [
    rollout("r2", "promoted", "2026-11-24T12:00:00Z"),
    rollout("r1", "rolled_back", "2026-11-24T10:00:00Z", FLIP),
]


def put(api: Replay, rollouts: list[dict[str, Any]]) -> None:
    """Let the API have these rollouts, in the form of its routes."""
    bare = [{key: each[key] for key in each if key != "events"} for each in rollouts]
    api.pages["/admin/rollouts"] = {"object": "list", "data": bare}
    for each in rollouts:
        api.pages[f"/admin/rollouts/{each['id']}/events"] = {
            "object": "list",
            "data": each["events"],
        }


@pytest.fixture()
def api() -> Iterator[Replay]:
    """An API with two rollouts behind it."""
    with replaying("vllm-0.13.0") as replay:
        replay.pages["/v1/rerank"] = RANKED
        replay.pages["/v1/ocr"] = {"markdown": "The quick brown fox jumps over the lazy dog"}
        put(replay, ROLLOUTS)
        yield replay


def verify(folder: Path, api: Replay, *options: str) -> tuple[int, dict[str, Record]]:
    make_workspace(folder, CONTEXT.format(api=api))
    done = run(folder, "rollout", "verify", *options, QUERYLAKE_API_KEY="sk-a", ADMIN="sk-b")
    assert done.stderr == ""
    records = open_session(folder).store.read().records
    return done.returncode, {record.check: record for record in records}


def said(records: dict[str, Record], check: str) -> tuple[Verdict, str]:
    predicate = records[check].statement.predicate
    return predicate.verdict, predicate.reason


def test_everything_holds(tmp_path: Path, api: Replay) -> None:
    code, records = verify(tmp_path, api)
    assert code == 0, {check: said(records, check) for check in records}
    assert said(records, "6.canary.route")[1] == "rollout r2 (promoted): 1%, 50%"
    triggers = said(records, "6.canary.triggers")[1]
    assert "latency_ratio 1.25" in triggers
    assert "stall_seconds by itself" in triggers
    assert said(records, "6.promote.rollback")[1] == (
        "rollout r1 was rolled back, and every worker followed within 0.415 s"
    )
    assert records["6.promote.rollback"].statement.predicate.figures == {"flip_s": 0.415}
    assert "Bearer sk-b" in api.keys
    assert run(tmp_path, "status", "--gate", "6").returncode == 0


def test_an_api_without_rollouts(tmp_path: Path, api: Replay) -> None:
    del api.pages["/admin/rollouts"]
    code, records = verify(tmp_path, api)
    assert code == 1
    assert said(records, "6.canary.route") == (
        Verdict.NOT_CHECKABLE,
        "this API has no /admin/rollouts",
    )
    code, records = verify(tmp_path, api, "--smoke-only")
    assert code == 0


@pytest.mark.parametrize(
    ("rollouts", "line", "verdict", "says"),
    [
        ([], "6.canary.route", "inconclusive", "no rollout of smollm2 has begun"),
        ([rollout("r", "draft", "1")], "6.canary.route", "inconclusive", "has begun"),
        ([rollout("r", "running", "1")], "6.canary.route", "pass", "r (running)"),
        ([rollout("r", "running", "1")], "6.promote.default", "inconclusive", "is running"),
        ([rollout("r", "promoted", "1")], "6.promote.rollback", "inconclusive", "ever rolled back"),
        ([rollout("r", "rolled_back", "1")], "6.promote.rollback", "inconclusive", "no flip time"),
        (
            [{**rollout("r", "running", "1"), "plan": {"judging": {"error_margin": 0.01}}}],
            "6.canary.triggers",
            "fail",
            "does not set latency_ratio",
        ),
        ([{**ROLLOUTS[0], "model": "other"}], "6.promote.default", "inconclusive", "has begun"),
    ],
)
def test_what_the_records_show(
    tmp_path: Path,
    api: Replay,
    rollouts: list[dict[str, Any]],
    line: str,
    verdict: str,
    says: str,
) -> None:
    put(api, rollouts)
    code, records = verify(tmp_path, api)
    found, why = said(records, line)
    assert (code, found, says in why) == (1, verdict, True), why


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (403, "set api.admin_key_env"),
        (500, "answers 500"),
        ({"data": [{"id": "r", "model": 7}]}, "cannot be understood"),
        ({"unknown": []}, "cannot be understood"),
        ({"data": ["r"]}, "cannot be understood"),
    ],
)
def test_records_that_cannot_be_read(tmp_path: Path, api: Replay, page: object, says: str) -> None:
    api.pages["/admin/rollouts"] = page
    api.pages["/admin/rollouts/r/events"] = {"data": []}
    _, records = verify(tmp_path, api)
    verdict, why = said(records, "6.canary.route")
    assert (verdict, says in why) == (Verdict.FAIL, True), why


def test_answers_that_are_wrong(tmp_path: Path, api: Replay) -> None:
    api.pages["/v1/rerank"] = {"results": RANKED["results"][:1]}
    api.pages["/v1/ocr"] = {"markdown": ""}
    api.changes["chat"] = lambda _: b"{}"
    code, records = verify(tmp_path, api, "--smoke-only")
    assert code == 1
    assert {said(records, check)[0] for check in records} == {Verdict.FAIL}
    assert "words of the page" in said(records, "6.smoke.ocr")[1]
    api.pages["/v1/rerank"] = {
        "results": [{**each, "index": 1 - int(each["index"])} for each in RANKED["results"]]
    }
    _, records = verify(tmp_path, api, "--smoke-only")
    assert "ranked first" in said(records, "6.smoke.rerank")[1]
