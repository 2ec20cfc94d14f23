"""Gate 6: smoke tests through the API, and what its records of rollouts show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from upgrade_gates.candidate.key_route import MARK
from upgrade_gates.checklist.gates import LINES
from upgrade_gates.evidence.chain import Record
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates_testing.admin_double import AdminDouble
from upgrade_gates_testing.process import run
from upgrade_gates_testing.records import records_of, said
from upgrade_gates_testing.replay import Replay, replaying
from upgrade_gates_testing.workspaces import finding, make_workspace

CONTEXT = """\
[serving]
url = "{engine.url}"
model = "smollm2"
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
        "candidates": ["gpu"],
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
    rollout("r1", "rolled_back", "2126-11-24T10:00:00Z", FLIP),
    rollout("r2", "promoted", "2126-11-24T12:00:00Z"),
]
LATER = "2126-11-24T13:00:00Z"


def put(api: Replay, rollouts: list[dict[str, Any]], served: int = 40) -> None:
    """Let the API have these rollouts, oldest first, each with so many requests."""
    assert api.admin is not None
    api.admin.rollouts[:] = rollouts
    api.admin.served = {each["id"]: (served, 1) for each in rollouts if served}


@pytest.fixture(autouse=True)
def _soon_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here counts late."""
    monkeypatch.setattr("upgrade_gates.candidate.proof.SETTLE_SECONDS", 0.5)


@pytest.fixture()
def engine() -> Iterator[Replay]:
    """The new engine."""
    with replaying("vllm-0.13.0") as replay:
        yield replay


@pytest.fixture()
def api(engine: Replay) -> Iterator[Replay]:
    """An API with two rollouts behind it."""
    with replaying("vllm-0.13.0") as replay:
        replay.admin, replay.candidate = AdminDouble(), engine
        replay.pages["/v1/rerank"] = RANKED
        replay.pages["/v1/ocr"] = {"markdown": "The quick brown fox jumps over the lazy dog"}
        put(replay, ROLLOUTS)
        yield replay


def verify(
    folder: Path, api: Replay, *options: str, shown: bool = True
) -> tuple[int, dict[str, Record]]:
    """Run the command.

    Args:
        shown: whether gate 3 has shown the engine before.
    """
    session = make_workspace(folder, CONTEXT.format(api=api, engine=api.candidate))
    if shown:
        bound = session.artefacts.digests(LINES["3.serve"].binds)
        session.store.append([finding("3.serve", subjects=bound)], command=["x"])
    done = run(folder, "rollout", "verify", *options, QUERYLAKE_API_KEY="sk-a", ADMIN="sk-b")
    assert done.stderr == ""
    return done.returncode, records_of(folder)


def test_everything_holds(tmp_path: Path, api: Replay) -> None:
    code, records = verify(tmp_path, api)
    assert code == 0, {check: said(records, check) for check in records}
    assert said(records, "6.canary.route")[1] == (
        "rollout r2 (promoted; planned: 1%, 50%): the candidate served 39 requests, 1 failed"
    )
    assert "by the new engine" in said(records, "6.smoke.chat")[1]
    triggers = said(records, "6.canary.triggers")[1]
    assert "latency_ratio 1.25" in triggers
    assert "stall_seconds by itself" in triggers
    assert said(records, "6.promote.rollback")[1] == (
        "rollout r1 was rolled back after 39 requests, and every worker followed within 0.415 s"
    )
    assert records["6.promote.rollback"].statement.predicate.figures["flip_s"] == 0.415
    assert "Bearer sk-b" in api.keys
    assert run(tmp_path, "status", "--gate", "6").returncode == 0


def test_an_api_without_rollouts(tmp_path: Path, api: Replay) -> None:
    api.pages["/admin/rollouts"] = 404
    code, records = verify(tmp_path, api)
    assert code == 1
    assert said(records, "6.canary.route") == (
        Verdict.NOT_CHECKABLE,
        "this API has no /admin/rollouts",
    )
    verdict, why = said(records, "6.smoke.chat")
    assert (verdict, "a key of its own" in why) == (Verdict.NOT_CHECKABLE, True)


@pytest.mark.parametrize(
    ("rollouts", "line", "verdict", "says"),
    [
        ([], "6.canary.route", "inconclusive", "no rollout of smollm2 to this engine"),
        ([rollout("r", "draft", LATER)], "6.canary.route", "inconclusive", "has begun"),
        ([rollout("r", "running", LATER)], "6.canary.route", "pass", "r (running"),
        ([rollout("r", "running", LATER)], "6.promote.default", "inconclusive", "is running"),
        (
            [rollout("r", "promoted", LATER)],
            "6.promote.rollback",
            "inconclusive",
            "was rolled back",
        ),
        (
            [rollout("r", "rolled_back", LATER)],
            "6.promote.rollback",
            "inconclusive",
            "no flip time",
        ),
        (
            [{**rollout("r", "running", LATER), "plan": {"judging": {"error_margin": 0.01}}}],
            "6.canary.triggers",
            "fail",
            "does not set latency_ratio",
        ),
        ([{**ROLLOUTS[1], "model": "other"}], "6.promote.default", "inconclusive", "has begun"),
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
    _, records = verify(tmp_path, api)
    found, why = said(records, line)
    assert (found, says in why) == (verdict, True), why


def test_rollouts_of_an_earlier_upgrade_are_no_evidence(tmp_path: Path, api: Replay) -> None:
    put(api, [rollout("old", "promoted", "2026-01-24T12:00:00Z", FLIP)])
    _, records = verify(tmp_path, api)
    for line in ("6.canary.route", "6.canary.triggers", "6.promote.default", "6.promote.rollback"):
        verdict, why = said(records, line)
        assert verdict is Verdict.INCONCLUSIVE
        assert "old began at 2026-01-24 12:00, before this engine was shown" in why


def test_an_engine_that_was_never_shown_has_no_rollouts(tmp_path: Path, api: Replay) -> None:
    _, records = verify(tmp_path, api, shown=False)
    verdict, why = said(records, "6.promote.default")
    assert (verdict, "3.serve was never shown" in why) == (Verdict.INCONCLUSIVE, True)


def test_rollouts_to_another_engine_are_no_evidence(tmp_path: Path, api: Replay) -> None:
    assert api.candidate is not None
    (tmp_path / "querylake.toml").write_text(f"[upstreams.new]\nbase_url = '{api.candidate.url}'\n")
    context = CONTEXT.format(api=api, engine=api.candidate)
    session = make_workspace(tmp_path, "[artefacts]\napi_config = 'querylake.toml'\n" + context)
    bound = session.artefacts.digests(LINES["3.serve"].binds)
    session.store.append([finding("3.serve", subjects=bound)], command=["x"])
    run(tmp_path, "rollout", "verify", QUERYLAKE_API_KEY="sk-a", ADMIN="sk-b")
    record = session.store.read().latest("6.promote.default")
    assert record is not None
    assert "r2 was of gpu" in record.statement.predicate.reason


def test_a_promotion_without_a_request_is_none_and_an_override_is_told(
    tmp_path: Path, api: Replay
) -> None:
    event = {
        "id": 3,
        "kind": "promoted",
        "sentence": "Promoted. Ada overrode what was missing (gates): it is late.",
        "figures": {"overridden": ["the gates do not hold"]},
    }
    put(api, [rollout("r", "promoted", LATER, [event])], served=0)
    _, records = verify(tmp_path, api)
    assert said(records, "6.canary.route")[0] is Verdict.INCONCLUSIVE
    assert "the candidate served no request" in said(records, "6.canary.route")[1]
    assert said(records, "6.promote.default")[0] is Verdict.INCONCLUSIVE
    put(api, [rollout("r", "promoted", LATER, [event])])
    _, records = verify(tmp_path, api)
    verdict, why = said(records, "6.promote.default")
    assert (verdict, "BY OVERRIDE: Promoted. Ada overrode" in why) == (Verdict.PASS, True)


def test_what_our_own_checks_asked_is_no_traffic(tmp_path: Path, api: Replay) -> None:
    put(api, [rollout("r", "promoted", LATER)])
    assert api.admin is not None
    api.admin.keys["key_0"] = {"id": "key_0", "key": "x", "name": MARK}
    _, records = verify(tmp_path, api)
    assert said(records, "6.canary.route")[0] is Verdict.INCONCLUSIVE


def test_a_ledger_that_cannot_be_read_is_no_pass(tmp_path: Path, api: Replay) -> None:
    assert api.admin is not None
    api.admin.ledger = False
    _, records = verify(tmp_path, api)
    assert said(records, "6.canary.route")[0] is Verdict.NOT_CHECKABLE
    assert said(records, "6.promote.default")[0] is Verdict.INCONCLUSIVE
    assert said(records, "6.promote.rollback")[0] is Verdict.INCONCLUSIVE


def test_a_way_back_that_no_request_went_is_none(tmp_path: Path, api: Replay) -> None:
    assert api.admin is not None
    api.admin.served["r1"] = (3, 3)
    _, records = verify(tmp_path, api)
    verdict, why = said(records, "6.promote.rollback")
    assert (verdict, "no request is known" in why) == (Verdict.INCONCLUSIVE, True), why


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
    assert {said(records, check)[0] for check in records if check[0] == "6"} == {Verdict.FAIL}
    assert "words of the page" in said(records, "6.smoke.ocr")[1]
    api.pages["/v1/rerank"] = {
        "results": [{**each, "index": 1 - int(each["index"])} for each in RANKED["results"]]
    }
    _, records = verify(tmp_path, api, "--smoke-only")
    assert "ranked first" in said(records, "6.smoke.rerank")[1]


@pytest.mark.parametrize(
    ("standing", "status", "overridden", "verdict"),
    [
        ("equivalent", "promoted", False, Verdict.PASS),
        ("different", "rolled_back", False, Verdict.FAIL),
        ("not decided", "running", False, Verdict.INCONCLUSIVE),
        ("not decided", "promoted", True, Verdict.PASS),
    ],
)
def test_pairs_of_answers_are_judged_where_a_rollout_makes_them(
    api: Replay,
    tmp_path: Path,
    standing: str,
    status: str,
    overridden: bool,
    verdict: Verdict,
) -> None:
    figures = {"overridden": ["pairs"]} if overridden else {}
    events = [{"id": 9, "kind": "promoted", "sentence": "A. Person did it.", "figures": figures}]
    paired = rollout("r3", status, LATER, events)
    paired["plan"]["parity"] = {"percent": 10}
    put(api, [*ROLLOUTS, paired])
    told = {"standing": standing, "sentence": f"the answers are {standing}", "pairs": 120}
    api.pages["/admin/parity/rollouts/r3"] = {"rollout": "r3", "verdict": told, "examples": []}
    _, records = verify(tmp_path, api)
    predicate = records["6.canary.parity"].statement.predicate
    assert predicate.verdict is verdict
    assert f"the answers are {standing}" in predicate.reason
    assert ("A. Person did it" in predicate.reason) == overridden
    assert predicate.figures["pairs"] == 120


def test_a_rollout_without_pairs_has_no_such_evidence(api: Replay, tmp_path: Path) -> None:
    _, records = verify(tmp_path, api)
    assert "6.canary.parity" not in records
