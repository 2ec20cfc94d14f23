"""When evidence holds, and why it stops to."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import pytest

from upgrade_gates.checklist.gates import GATES, LINES, gate_numbered
from upgrade_gates.context import UpgradeContext
from upgrade_gates.evidence.statement import Host, Verdict
from upgrade_gates.evidence.this_host import this_host
from upgrade_gates.session import Session, open_session
from upgrade_gates.status.state import LineStatus, State
from upgrade_gates_testing.workspaces import finding, lock_text, make_workspace

DAY = datetime.timedelta(days=1)

CONTEXT = """\
[artefacts]
runtime_lock = "inference.lock"
runtime_pex = "vllm.pex"
[serving]
url = "http://127.0.0.1:1/v1"
model = "m"
"""


@pytest.fixture()
def session(tmp_path: Path) -> Session:
    """A workspace with a lock and a packed PEX."""
    (tmp_path / "inference.lock").write_text(lock_text())
    (tmp_path / "vllm.pex" / ".deps").mkdir(parents=True)
    (tmp_path / "vllm.pex" / "__main__.py").write_text("print()")
    (tmp_path / "vllm.pex" / ".deps" / "wheel").write_text("w")
    return make_workspace(tmp_path, CONTEXT)


def state(session: Session, line: str) -> LineStatus:
    judge = open_session(session.workspace.base).judge()
    gate = judge.gate(gate_numbered(int(line[0])))
    return next(each for each in gate.lines if each.line.id == line)


def record(
    session: Session,
    line: str,
    verdict: Verdict = Verdict.PASS,
    age: datetime.timedelta = datetime.timedelta(),
) -> None:
    subjects = session.artefacts.digests(LINES[line].binds)
    session.store.append([finding(line, verdict, subjects=subjects, age=age)], command=["x"])


def test_verdicts_become_states(session: Session) -> None:
    line = "2.environment"
    assert state(session, line).state is State.OPEN
    for verdict, expected in (
        (Verdict.FAIL, State.FAILING),
        (Verdict.INCONCLUSIVE, State.OPEN),
        (Verdict.NOT_CHECKABLE, State.NOT_CHECKABLE),
        (Verdict.PASS, State.DONE),
    ):
        record(session, line, verdict)
        assert state(session, line).state is expected
        assert "seen" in state(session, line).why


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("runtime_lock", lambda base: (base / "inference.lock").write_text("x==1\n")),
        ("runtime_pex", lambda base: (base / "vllm.pex/.deps/wheel").write_text("v")),
        ("runtime_pex", lambda base: (base / "vllm.pex/.deps/more").write_text("")),
        ("runtime_pex", lambda base: (base / "vllm.pex/__main__.py").rename(base / "gone")),
    ],
)
def test_a_changed_artefact_is_named(session: Session, name: str, change: object) -> None:
    record(session, "2.environment")
    assert callable(change)
    change(session.workspace.base)
    now = state(session, "2.environment")
    assert (now.state, now.why) == (State.STALE, f"{name} changed")


def test_an_artefact_that_is_gone_unnamed_or_new(session: Session) -> None:
    record(session, "2.environment")
    base = session.workspace.base
    (base / "inference.lock").rename(base / "away")
    assert state(session, "2.environment").why == "runtime_lock is gone"
    (base / "away").rename(base / "inference.lock")
    assert state(session, "2.environment").state is State.DONE
    file = session.workspace.context_file
    file.write_text(CONTEXT.replace('runtime_lock = "inference.lock"\n', ""))
    assert state(session, "2.environment").why == "runtime_lock is no longer in upgrade.toml"
    file.write_text(CONTEXT)
    record(session, "3.serve")
    (base / "model.gguf").write_text("weights")
    file.write_text(CONTEXT.replace("[artefacts]", '[artefacts]\nmodel = "model.gguf"'))
    assert state(session, "3.serve").why == "model was not looked at"


def test_a_changed_setting_and_old_age(session: Session) -> None:
    record(session, "3.serve", age=datetime.timedelta(days=29))
    assert state(session, "3.serve").state is State.DONE
    session.workspace.context_file.write_text(CONTEXT.replace("127.0.0.1:1", "127.0.0.1:2"))
    assert state(session, "3.serve").why == "setting:serving changed"
    session.workspace.context_file.write_text(CONTEXT)
    record(session, "3.serve", age=datetime.timedelta(days=31))
    assert state(session, "3.serve").why == "it is older than 30 days"


def test_a_failure_of_something_else_is_stale(session: Session) -> None:
    record(session, "2.environment", Verdict.FAIL)
    (session.workspace.base / "inference.lock").write_text("x==1\n")
    now = state(session, "2.environment")
    assert (now.state, now.why) == (
        State.STALE,
        "it failed, and since then runtime_lock changed",
    )


def test_a_line_that_sums_up_others(session: Session) -> None:
    record(session, "2.install.torch")
    assert (state(session, "2.install").state, state(session, "2.install").why) == (
        State.OPEN,
        "2.install.vllm",
    )
    record(session, "2.install.vllm", Verdict.FAIL)
    assert state(session, "2.install").state is State.FAILING
    record(session, "2.install.vllm")
    assert state(session, "2.install").state is State.DONE


def test_what_is_not_enabled_is_not_needed(session: Session) -> None:
    now = state(session, "6.smoke.rerank")
    assert (now.state, now.holds) == (State.NOT_NEEDED, True)
    assert now.why == "api.rerank_model is not set in upgrade.toml"


def test_a_damaged_record_is_no_evidence(session: Session) -> None:
    record(session, "2.environment")
    (file,) = session.workspace.evidence.glob("*.json")
    file.write_text(file.read_text().replace('"seen"', '"forged"'))
    assert state(session, "2.environment").state is State.OPEN


def test_the_checklist_is_sound(session: Session) -> None:
    assert [gate.number for gate in GATES] == list(range(8))
    assert len(LINES) == sum(len(gate.lines) for gate in GATES)
    for gate in GATES:
        for line in gate.lines:
            assert line.id.startswith(f"{gate.number}.")
            assert bool(line.parts) != bool(line.command)
            assert set(line.parts) <= set(LINES)
            assert bool(line.plan) == (line.who == "person")
            assert all(session.artefacts.known(name) for name in line.binds)
            if line.needs:
                assert line.needs.partition(".")[0] in UpgradeContext.model_fields


def test_a_window_that_has_passed_is_no_window_unless_it_was_used(tmp_path: Path) -> None:
    table = "[window]\nstart = 2026-01-16T22:00:00Z\nend = 2026-01-17T02:00:00Z\n"
    session = make_workspace(tmp_path, table)
    end = datetime.datetime(2026, 1, 17, 2, tzinfo=datetime.UTC)
    record(session, "0.window", age=datetime.datetime.now(datetime.UTC) - end + DAY)
    judge = session.judge()
    before = dataclasses.replace(judge, now=end - datetime.timedelta(minutes=1))
    (window,) = (each for each in before.gate(GATES[0]).lines if each.line.id == "0.window")
    assert window.state is State.DONE
    passed = state(session, "0.window")
    assert passed.state is State.STALE
    assert passed.why == (
        "window.end was 2026-01-17T02:00:00+00:00, and 1.install, 1.reboot is not done"
    )
    record(session, "1.install")
    assert state(session, "0.window").why.endswith("and 1.reboot is not done")
    record(session, "1.reboot")
    assert state(session, "0.window").state is State.DONE


def test_evidence_from_the_future_is_stale(session: Session) -> None:
    """Or a clock that was wrong once would make it hold for years."""
    record(session, "3.serve", age=-datetime.timedelta(minutes=1))
    assert state(session, "3.serve").state is State.DONE
    record(session, "3.serve", age=-datetime.timedelta(days=1000))
    now = state(session, "3.serve")
    assert (now.state, "it is from the future" in now.why) == (State.STALE, True)
    record(session, "2.environment", age=-datetime.timedelta(days=1000))
    assert state(session, "2.environment").state is State.STALE


OTHER = Host(name="gpu9", system="Linux", release="6", machine="x86_64", id="f" * 64)


def test_evidence_of_another_host_is_stale_and_named(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a folder that was copied from another machine."""
    here = this_host().name
    with monkeypatch.context() as patch:
        patch.setattr("upgrade_gates.evidence.store.this_host", lambda: OTHER)
        record(session, "0.facts.kernel")
        record(session, "2.environment")
    now = state(session, "0.facts.kernel")
    assert now.state is State.STALE
    assert now.why.startswith(f"it is of gpu9, and this is {here}; run it on the GPU host")
    # What is not about the host may be shown anywhere.
    assert state(session, "2.environment").state is State.DONE
    file = session.workspace.context_file
    file.write_text(f'host = "gpu9"\n{CONTEXT}')
    assert state(session, "0.facts.kernel").state is State.DONE


def test_a_record_on_the_wrong_machine_does_not_hide_the_right_one(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(session, "0.facts.kernel")
    with monkeypatch.context() as patch:
        patch.setattr("upgrade_gates.evidence.store.this_host", lambda: OTHER)
        record(session, "0.facts.kernel", Verdict.NOT_CHECKABLE)
    assert state(session, "0.facts.kernel").state is State.DONE
