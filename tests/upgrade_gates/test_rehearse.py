"""The rehearsal: everything that needs no GPU, beside the real evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from attestation_testing.records import attested
from upgrade_gates.rehearse_command import BASELINE_SECONDS, STEPS, Step
from upgrade_gates.session import open_session
from upgrade_gates_testing.admin_double import AdminDouble
from upgrade_gates_testing.process import run
from upgrade_gates_testing.replay import Replay, replaying
from upgrade_gates_testing.workspaces import finding, lock_text, make_workspace

CONTEXT = """\
[artefacts]
api_lock = "api.lock"
[serving]
url = "{engine.url}"
model = "smollm2"
[api]
url = "{api.base}"
model = "smollm2"
"""


@pytest.fixture()
def engine() -> Iterator[Replay]:
    """The new engine."""
    with replaying("vllm-0.13.0") as replay:
        yield replay


def shortened(step: Step) -> Step:
    """Return a step whose baseline, if it measures one, takes a second."""
    words = ("1" if word == BASELINE_SECONDS else word for word in step.arguments)
    return replace(step, arguments=tuple(words))


def test_a_rehearsal_leaves_the_evidence_alone(
    tmp_path: Path, engine: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upgrade_gates.rehearse_command.STEPS", tuple(map(shortened, STEPS)))
    with replaying("vllm-0.13.0") as api:
        api.admin, api.candidate = AdminDouble(), engine
        session = make_workspace(tmp_path, CONTEXT.format(engine=engine, api=api))
        (tmp_path / "api.lock").write_text(lock_text())
        session.store.append([finding("2.environment")], command=["x"])
        done = run(tmp_path, "rehearse", QUERYLAKE_API_KEY="sk-a")
    assert done.stderr == ""
    assert len(session.store.read().records) == 1
    rehearsed = open_session(tmp_path / ".upgrade/rehearsal").store.read()
    assert rehearsed.damages == ()
    evidence = tmp_path / ".upgrade/rehearsal/.upgrade/evidence"
    assert attested(evidence) == len(rehearsed.records)
    assert {record.check[0] for record in rehearsed.records} >= {"0", "3", "4", "6", "7"}
    assert "left out: old is not in upgrade.toml" in done.stdout
    assert "left out: runtime_pex, runtime_lock is not in upgrade.toml" in done.stdout
    assert "s in all. See" in done.stdout
    assert (tmp_path / ".upgrade/rehearsal/.upgrade/report.html").exists()


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    done = run(tmp_path, "rehearse")
    assert "left out: serving, api is not in upgrade.toml, or not there" in done.stdout
