"""The command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import upgrade_gates.__main__  # noqa: F401 - run as a module
from querylake_version import VERSION
from upgrade_gates.context import read_context
from upgrade_gates.context_file import change
from upgrade_gates.errors import ContextUnusable
from upgrade_gates.init_questions import Answers, answered
from upgrade_gates_testing.process import run
from upgrade_gates_testing.workspaces import finding, make_workspace

ALL_GATES = 8


def test_an_upgrade_begins_with_every_line_open(tmp_path: Path) -> None:
    lock = tmp_path / "3rdparty/python/inference.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("torch==2.9.0\n")
    begun = run(
        tmp_path,
        *("init", "--serving-url", "http://127.0.0.1:1/v1/", "--model", "m"),
        *("--artefact", "model=weights.gguf"),
    )
    assert (begun.returncode, begun.stderr) == (0, "")
    context = read_context(tmp_path / ".upgrade/upgrade.toml")
    assert context.artefacts.runtime_lock == Path("3rdparty/python/inference.lock")
    assert context.artefacts.model == Path("weights.gguf")
    assert context.serving is not None
    assert context.serving.url == "http://127.0.0.1:1/v1"
    deeper = tmp_path / "src" / "deep"
    deeper.mkdir(parents=True)
    shown = run(deeper, "status")
    assert (shown.returncode, shown.stderr) == (1, "")
    assert "no gate holds" in shown.stdout
    assert "$ upgrade_gates serving verify" in shown.stdout
    report = json.loads(run(deeper, "status", "--json").stdout)
    assert report["holds"] is False
    assert [gate["number"] for gate in report["gates"]] == list(range(ALL_GATES))
    states = {line["state"] for gate in report["gates"] for line in gate["lines"]}
    assert states == {"open", "not needed"}


def test_one_gate_holds_or_not(tmp_path: Path) -> None:
    session = make_workspace(tmp_path)
    lines = [
        *("2.environment", "2.install.torch", "2.install.vllm"),
        *("2.sanity.torch", "2.sanity.vllm"),
    ]
    session.store.append([finding(line) for line in lines], command=["x"])
    held = run(tmp_path, "status", "--gate", "2", "--json")
    assert held.returncode == 0, held.stdout
    assert [gate["number"] for gate in json.loads(held.stdout)["gates"]] == [2]
    assert run(tmp_path, "status", "--gate", "2", "--gate", "3").returncode == 1
    missing = run(tmp_path, "status", "--gate", "9")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "there is no gate 9" in missing.stderr


def test_damaged_evidence_fails_status_and_is_named(tmp_path: Path) -> None:
    session = make_workspace(tmp_path)
    session.store.append([finding("2.environment")] * 2, command=["x"])
    assert run(tmp_path, "evidence", "verify").returncode == 0
    file = session.workspace.evidence / "000001-2.environment.json"
    file.write_text(file.read_text().replace('"seen"', '"forged"'))
    damaged = run(tmp_path, "evidence", "verify")
    assert damaged.returncode == 1
    assert f"damaged  {file.name}" in damaged.stdout
    assert file.name in run(tmp_path, "status").stdout
    assert json.loads(run(tmp_path, "evidence", "show", "2").stdout)["predicate"]["sequence"] == 2
    assert run(tmp_path, "evidence", "show", "1").returncode == 2


def test_what_cannot_be_answered_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    absent = run(tmp_path, "status")
    assert absent.returncode == 2
    assert "upgrade_gates init" in absent.stderr
    for text, reason in (
        ("matrix = 'C'", "matrix: "),
        ("[serving]\nurl = 'gpu1'\nmodel = 'm'", "serving.url: "),
        ("[artefact]\n", "artefact: there is no such key"),
        ("[", "is not TOML"),
    ):
        make_workspace_file(tmp_path, text)
        done = run(tmp_path, "status")
        assert (done.returncode, done.stdout) == (2, "")
        assert reason in done.stderr
        assert done.stderr.count("\n") == 1
    again = run(tmp_path, "init")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    wrong = run(tmp_path, "init", "--workspace", "other", "--artefact", "engine=x")
    assert wrong.returncode == 2
    assert "write NAME=PATH" in wrong.stderr
    assert run(tmp_path, "status", "--nonsense").returncode == 2


def make_workspace_file(folder: Path, text: str) -> None:
    file = folder / ".upgrade" / "upgrade.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


def test_a_value_is_changed_and_comments_stay(tmp_path: Path) -> None:
    file = tmp_path / "upgrade.toml"
    file.write_text('# opening\n\n[serving] # mine\nurl = "http://a/v1"\nmodel = "m"\n')
    change(file, {"matrix": "B", "owner": "Ada"})
    change(file, {"matrix": "A"})
    context = read_context(file)
    assert (context.matrix, context.owner) == ("A", "Ada")
    assert "[serving] # mine" in file.read_text()
    assert file.read_text().startswith("# opening\n")
    before = file.read_text()
    with pytest.raises(ContextUnusable, match="matrix"):
        change(file, {"matrix": "C"})
    assert file.read_text() == before


def test_version_and_help(tmp_path: Path) -> None:
    version = run(tmp_path, "--version")
    assert (version.returncode, version.stdout) == (0, f"{VERSION}\n")
    usage = run(tmp_path, "--help")
    assert usage.returncode == 0
    assert "status" in usage.stdout


def test_it_is_a_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "upgrade_gates", "status"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(p) for p in sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("upgrade_gates: there is no .upgrade/upgrade.toml")


def test_what_init_asks_a_person() -> None:
    asked: list[tuple[str, str]] = []
    typed = {
        "New engine's address, up to and with /v1": "http://gpu1:8011/v1",
        "What the new engine calls the model": "qwen",
        "Old engine's address, up to and with /v1": "http://gpu1:8001/v1",
        "What the old engine calls the model": "qwen-old",
        "Environment variable with the old engine's key": "OLD_KEY",
        "The API's address, without /v1": "http://api:8000",
    }

    def ask(question: str, proposed: str) -> str:
        asked.append((question, proposed))
        return typed.get(question, proposed)

    found = answered(Answers(admin_key_env="ADMIN"), ask)
    assert (found.model, found.old_model, found.old_key_env) == ("qwen", "qwen-old", "OLD_KEY")
    assert (found.api_model, found.api_key_env) == ("qwen", "QUERYLAKE_API_KEY")
    assert (found.runtime_url, found.admin_key_env) == (None, "ADMIN")
    assert ("What the old engine calls the model", "qwen") in asked
    assert not [question for question, _ in asked if "scope admin" in question]
    # What a table without an address would need is not asked.
    assert answered(Answers(), lambda question, proposed: "") == Answers()


def test_init_says_what_it_takes_for_granted(tmp_path: Path) -> None:
    options = ("--serving-url", "http://a/v1", "--model", "m", "--serving-key-env", "KEY")
    more = ("--old-url", "http://b/v1", "--api-url", "http://c")
    begun = run(tmp_path, "init", *options, *more)
    assert "the old engine calls the model 'm' too (--old-model)" in begun.stdout
    assert "scope `admin`" in begun.stdout
    exact = ("--old-model", "o", "--old-key-env", "K2", "--api-key-env", "K3")
    begun = run(tmp_path, "init", "--workspace", "w", *options, *more, *exact)
    assert "calls the model" not in begun.stdout
    context = read_context(tmp_path / "w/.upgrade/upgrade.toml")
    assert context.old is not None
    assert (context.old.model, context.old.key_env) == ("o", "K2")
    assert context.api is not None
    assert context.api.key_env == "K3"
