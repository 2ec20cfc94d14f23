"""Gate 4: the API through the boundary, its configuration, and the report on imports."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from upgrade_gates.boundary.live import own_words
from upgrade_gates.boundary.report import Judged, judge_pex, judge_sources, parse_report
from upgrade_gates.boundary.routing_table import judge_configuration
from upgrade_gates.candidate.key_route import MARK
from upgrade_gates.context import Serving
from upgrade_gates.evidence.chain import Record
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates_testing.admin_double import AdminDouble
from upgrade_gates_testing.process import run
from upgrade_gates_testing.records import records_of, said
from upgrade_gates_testing.replay import MODEL, Replay, replaying
from upgrade_gates_testing.workspaces import make_workspace

CONTEXT = """\
[artefacts]
api_config = "querylake.toml"
api_lock = "api.lock"
api_pex = "api.pex"
[serving]
url = "{engine}"
model = "smollm2"
[old]
url = "{engine}"
model = "smollm2"
[api]
url = "{api}"
model = "smollm2"
embeddings_model = "minilm"
"""

CONFIGURATION = """\
[upstreams.gpu]
base_url = "{engine}"
[models.chat]
capabilities = ["chat"]
aliases = ["smollm2"]
targets = [{{ upstream = "gpu", model = "smollm2", role = "candidate" }}]
"""

EMBEDDINGS = {
    "object": "list",
    "data": [
        {"object": "embedding", "index": 0, "embedding": [0.1, 0.2]},
        {"object": "embedding", "index": 1, "embedding": [0.3, 0.4]},
    ],
    "usage": {"prompt_tokens": 9, "total_tokens": 9},
}


def rule(name: str, *says: str) -> dict[str, Any]:
    violations = [{"rule": name, "place": "a.py:1", "says": each} for each in says]
    return {"rule": name, "looked_at": f"{name} looked at", "violations": violations}


def report() -> dict[str, Any]:
    rules = ("sources", "locks", "pants-settings", "pants", "pex-contents", "pex-boot")
    seen = [{"rule": "sources", "place": "x.py:1", "says": "imports torch"}]
    seen_in_lock = [{"rule": "locks", "place": "api.lock", "says": "pins torch"}]
    return {
        "holds": True,
        "findings": [rule(name) for name in rules],
        "planted": [
            {"title": "nothing", "wanted": [], "skipped": [], "seen": []},
            {"title": "import torch", "wanted": ["sources"], "skipped": [], "seen": seen},
            {"title": "a lock", "wanted": ["locks"], "skipped": [], "seen": seen_in_lock},
        ],
        "made_at": "2026-01-02T03:04:05Z",
        "judged": {"api.lock": digest_of("a lock"), "pex": digest_of("a PEX")},
    }


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


JUDGED = Judged(
    digest_of("a lock"), digest_of("a PEX"), datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)
)


@pytest.fixture()
def engine() -> Iterator[Replay]:
    """The engine."""
    with replaying("vllm-0.13.0") as replay:
        yield replay


@pytest.fixture()
def api(engine: Replay) -> Iterator[Replay]:
    """What the API says, which is what the engine says."""
    with replaying("vllm-0.13.0") as replay:
        replay.pages["/v1/embeddings"] = EMBEDDINGS
        replay.admin, replay.candidate = AdminDouble(), engine
        yield replay


def verify(
    folder: Path, engine: Replay, api: Replay, *options: str
) -> tuple[int, dict[str, Record]]:
    make_workspace(folder, CONTEXT.format(engine=engine.url, api=api.base))
    (folder / "querylake.toml").write_text(CONFIGURATION.format(engine=engine.url))
    (folder / "api.lock").write_text("a lock")
    (folder / "api.pex").write_text("a PEX")
    done = run(folder, "boundary", "verify", *options, QUERYLAKE_API_KEY="sk-client")
    assert done.stderr == ""
    return done.returncode, records_of(folder)


def test_everything_holds(tmp_path: Path, engine: Replay, api: Replay) -> None:
    file = tmp_path / "boundaries.json"
    file.write_text(json.dumps(report()))
    code, records = verify(tmp_path, engine, api, "--report", "boundaries.json")
    assert code == 0, {check: said(records, check) for check in records}
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert records["4.imports.pex"].statement.digests()["boundary-report"] == digest
    assert "unable to parse string" in said(records, "4.routing.chat")[1] or (
        "validation error" in said(records, "4.routing.chat")[1]
    )
    assert "upstream gpu, candidate" in said(records, "4.config")[1]
    assert run(tmp_path, "status", "--gate", "4").returncode == 0


def test_the_new_engine_is_reached_with_a_key_of_its_own(
    tmp_path: Path, engine: Replay, api: Replay
) -> None:
    _, records = verify(tmp_path, engine, api)
    assert api.admin is not None
    verdict, why = said(records, "4.provider.chat")
    assert verdict is Verdict.PASS
    assert "vllm:request_success_total rose by 2" in why
    assert said(records, "4.routing.chat")[0] is Verdict.PASS
    through, _, direct = records["4.routing.chat"].output().partition("[directly]")
    assert ("utils.py" in through, "utils.py" in direct) == (False, True)
    assert engine.served == 3  # and once as the old one, for the fallback
    assert "no candidate" not in why
    assert api.admin.revoked == list(api.admin.keys)
    assert api.admin.aborted == [each["id"] for each in api.admin.rollouts]
    assert all(each["plan"]["steps"][0]["percent"] < 0.1 for each in api.admin.rollouts)


def test_an_api_that_asks_the_old_engine_is_no_pass(
    tmp_path: Path, engine: Replay, api: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upgrade_gates.candidate.proof.SETTLE_SECONDS", 0.5)
    assert api.admin is not None
    api.admin.ignores_allow = True
    _, records = verify(tmp_path, engine, api)
    verdict, why = said(records, "4.provider.chat")
    assert (verdict, "not by the new engine" in why) == (Verdict.FAIL, True), why
    assert said(records, "4.routing.chat")[0] is Verdict.INCONCLUSIVE
    api.admin.ignores_allow, engine.served = False, None
    _, records = verify(tmp_path, engine, api)
    verdict, why = said(records, "4.provider.chat")
    assert (verdict, "which engine did cannot be known" in why) == (Verdict.INCONCLUSIVE, True)


def test_a_live_rollout_or_no_admin_key_is_named(
    tmp_path: Path, engine: Replay, api: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upgrade_gates.candidate.proof.SETTLE_SECONDS", 0.5)
    assert api.admin is not None
    api.admin.answer("POST", "/admin/rollouts", b'{"model": "smollm2"}')
    api.admin.answer("POST", "/admin/rollouts/made_1/start", b"")
    _, records = verify(tmp_path, engine, api)
    verdict, why = said(records, "4.provider.chat")
    assert (verdict, "rollout made_1 of smollm2 is running" in why) == (Verdict.FAIL, True), why
    assert not api.admin.aborted
    api.admin.rollouts.clear()
    api.admin.answer("POST", "/admin/rollouts", b'{"model": "smollm2"}')
    api.admin.answer("POST", "/admin/rollouts/made_1/start", json.dumps({"reason": MARK}).encode())
    _, records = verify(tmp_path, engine, api)
    assert "if it was killed, end it: POST /admin/rollouts/made_1/abort" in (
        said(records, "4.provider.chat")[1]
    )
    api.pages["/admin/keys"] = 403
    _, records = verify(tmp_path, engine, api)
    verdict, why = said(records, "4.routing.chat")
    assert (verdict, "api.admin_key_env" in why) == (Verdict.NOT_CHECKABLE, True), why


def test_requests_of_others_count_only_with_the_ledger(
    tmp_path: Path, engine: Replay, api: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upgrade_gates.candidate.proof.SETTLE_SECONDS", 0.5)

    def crowd(body: bytes) -> bytes:
        engine.count("somebody else")
        return body

    api.changes["chat"] = crowd
    _, records = verify(tmp_path, engine, api)
    assert said(records, "4.provider.chat")[0] is Verdict.PASS
    api.pages["/admin/usage/records"] = 500
    assert api.admin is not None
    monkeypatch.setattr(api.admin, "records", [])
    monkeypatch.setattr(api.admin, "note", lambda token: None)
    _, records = verify(tmp_path, engine, api)
    assert said(records, "4.provider.chat")[0] is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("1 validation error:\n  {'input': 'many'}", "1 validation error:\n  {'input': 'many'}"),
        (
            "1 error:\n  'many'\n\n  File \"/x/utils.py\", line 477, in f\n    POST /v1",
            "1 error:\n  'many'",
        ),
        ('bad\nTraceback (most recent call last)\n  File "a"', "bad"),
    ],
)
def test_an_engine_s_own_words(message: str, words: str) -> None:
    assert own_words(message) == words


def test_an_api_that_does_not_pass_through(tmp_path: Path, engine: Replay, api: Replay) -> None:
    api.changes["err_max_tokens_str"] = lambda _: b'{"error": {"message": "ours", "code": 400}}'
    api.changes["chat_stream_usage"] = lambda body: body.replace(b"[DONE]", b"")
    api.pages["/v1/embeddings"] = {**EMBEDDINGS, "data": []}
    code, records = verify(tmp_path, engine, api)
    assert code == 1
    assert said(records, "4.routing.chat")[0] is Verdict.INCONCLUSIVE
    assert said(records, "4.provider.chat")[0] is Verdict.FAIL
    assert "no list of 2 embeddings" in said(records, "4.provider.embeddings")[1]
    verdict, why = said(records, "4.imports.sources")
    assert (verdict, "--report" in why) == (Verdict.NOT_CHECKABLE, True)


def test_the_checkout_s_own_tool_is_run(tmp_path: Path, engine: Replay, api: Replay) -> None:
    tool = tmp_path / "build-support" / "boundaries"
    tool.parent.mkdir()
    tool.write_text(
        f"#!/bin/sh\necho \"$@\" > asked\ncat <<'E'\n{json.dumps(report())}\nE\nexit 1\n"
    )
    tool.chmod(0o755)
    code, records = verify(tmp_path, engine, api, "--no-pants")
    assert code == 0
    assert (
        tmp_path / "asked"
    ).read_text() == f"--json --planted --no-pants --pex {tmp_path}/api.pex\n"
    assert "all 3 trials" in said(records, "4.imports.sources")[1]
    tool.write_text("#!/bin/sh\necho 'error: no Pants' >&2\nexit 2\n")
    code, records = verify(tmp_path, engine, api)
    assert (code, said(records, "4.imports.pex")) == (
        1,
        (Verdict.FAIL, "build-support/boundaries cannot tell: error: no Pants"),
    )


def test_reports_are_judged() -> None:
    broken = report()
    broken["findings"][0] = rule("sources", "imports vllm")
    assert judge_sources(parse_report(json.dumps(broken)), JUDGED).reason == "a.py:1: imports vllm"
    unseen = report()
    unseen["planted"][1]["seen"] = []
    assert "not seen as it must be: import torch" in (
        judge_sources(parse_report(json.dumps(unseen)), JUDGED).reason
    )
    bare = {"findings": [rule("sources"), rule("locks")], "planted": []}
    assert judge_sources(parse_report(json.dumps(bare)), JUDGED).verdict is Verdict.INCONCLUSIVE
    assert judge_pex(parse_report(json.dumps(bare)), JUDGED).verdict is Verdict.NOT_CHECKABLE
    smuggled = report()
    smuggled["findings"][4] = rule("pex-contents", "holds the engine torch")
    assert judge_pex(parse_report(json.dumps(smuggled)), JUDGED).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("change", "verdict", "says"),
    [
        ({}, "pass", "rules hold"),
        ({"judged": {}}, "inconclusive", "does not say when it was made"),
        ({"made_at": None}, "inconclusive", "does not say when it was made"),
        ({"made_at": "2029-01-01T00:00:00Z"}, "inconclusive", "from the future"),
        ({"judged": {"api.lock": "0" * 64}}, "fail", "about another api.lock (000000000000)"),
        ({"planted": [{"title": "t", "wanted": [], "seen": []}]}, "inconclusive", "of sources"),
    ],
)
def test_a_report_counts_for_what_it_judged(
    change: dict[str, Any], verdict: str, says: str
) -> None:
    outcome = judge_sources(parse_report(json.dumps(report() | change)), JUDGED)
    assert (outcome.verdict, says in outcome.reason) == (verdict, True), outcome.reason


def test_a_report_about_another_pex_is_no_evidence() -> None:
    old = report() | {"judged": {"api.lock": digest_of("a lock"), "pex": "0" * 64}}
    assert judge_pex(parse_report(json.dumps(old)), JUDGED).verdict is Verdict.FAIL
    assert judge_pex(parse_report(json.dumps(report())), JUDGED).verdict is Verdict.PASS


def test_no_report_is_an_error(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    (tmp_path / "other.json").write_text("[]")
    for file, says in (
        ("other.json", "no report of boundaries"),
        ("absent.json", "cannot be read"),
    ):
        done = run(tmp_path, "boundary", "verify", "--report", file)
        assert (done.returncode, done.stdout) == (2, "")
        assert says in done.stderr


@pytest.mark.parametrize(
    ("text", "model", "verdict", "says"),
    [
        (CONFIGURATION.format(engine="http://localhost:1/v1/"), "chat", "pass", "smollm2 at"),
        (CONFIGURATION.format(engine="http://localhost:2/v1"), "chat", "fail", "add [upstreams"),
        (CONFIGURATION.format(engine="http://localhost:1/v1"), "gpt", "fail", "no target of 'gpt'"),
        ("", "chat", "fail", "there are: none"),
    ],
)
def test_the_configuration_sends_the_model_to_the_engine(
    tmp_path: Path, text: str, model: str, verdict: str, says: str
) -> None:
    file = tmp_path / "querylake.toml"
    file.write_text(text)
    engine = Serving(url="http://127.0.0.1:1/v1", model=MODEL)
    outcome = judge_configuration(file, model, engine)
    assert (outcome.verdict, says in outcome.reason) == (verdict, True), outcome.reason
