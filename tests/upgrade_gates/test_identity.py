"""Gate 3: evidence names the lock and the PEX only where they were seen to serve."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from upgrade_gates.context import Serving
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.serving.identity import identify
from upgrade_gates.serving.running_pex import serving_at
from upgrade_gates.session import open_session
from upgrade_gates_testing.pexes import listening_from, packed_pex, pex_info
from upgrade_gates_testing.process import run
from upgrade_gates_testing.replay import MODEL, Replay, replaying
from upgrade_gates_testing.workspaces import lock_text, make_workspace

PINS = {"torch": "2.9.0", "vllm": "0.13.0"}
SECONDS = 10.0
CONTEXT = """\
[artefacts]
runtime_lock = "inference.lock"
"""


@pytest.fixture()
def engine() -> Iterator[Replay]:
    """An engine that says its version, with a supervisor on the same port."""
    with replaying("vllm-0.13.0") as replay:
        replay.pages["/version"] = {"version": "0.13.0+cpu"}
        replay.pages["/runtime/status"] = status(replay)
        yield replay


def status(engine: Replay, **changes: Any) -> dict[str, Any]:
    known = {"vllm": "0.13.0+cu128", "torch": "2.9.0", "python": "3.11.7"}
    port = urlsplit(engine.url).port
    return {"ready": True, "engine_port": port, "versions": known, "state": "ready"} | changes


def serving(engine: Replay, *, supervised: bool = True) -> Serving:
    return Serving(url=engine.url, model=MODEL, runtime_url=engine.base if supervised else None)


def test_a_supervisor_of_this_port_and_the_lock_s_versions(engine: Replay) -> None:
    found = identify(serving(engine), PINS, None, seconds=SECONDS)
    assert (found.contradiction, found.binds) == (None, ("runtime_lock",))
    assert found.version == "0.13.0+cpu"
    assert "whether runtime_pex serves was not seen" in found.said


def test_without_a_supervisor_the_evidence_is_of_the_server(engine: Replay) -> None:
    found = identify(serving(engine, supervised=False), PINS, None, seconds=SECONDS)
    assert (found.contradiction, found.binds) == (None, ())
    assert "serving.runtime_url is not set" in found.said


def test_another_engine_is_named(engine: Replay) -> None:
    for changes, says in (
        ({"engine_port": 1}, "supervises an engine on port 1"),
        ({"ready": False}, "not ready"),
        ({"versions": {"torch": "2.8.0"}}, "runs torch 2.8.0, and runtime_lock pins 2.9.0"),
        ({"engine_port": "none"}, "gives no status"),
    ):
        engine.pages["/runtime/status"] = status(engine, **changes)
        found = identify(serving(engine), PINS, None, seconds=SECONDS)
        assert says in str(found.contradiction)
        assert found.binds == ()
    engine.pages["/version"] = {"version": "0.32.0"}
    found = identify(serving(engine), PINS, None, seconds=SECONDS)
    assert "is vLLM 0.32.0, and runtime_lock pins 0.13.0" in str(found.contradiction)


def test_a_process_that_runs_from_the_pex_is_seen(engine: Replay, tmp_path: Path) -> None:
    """The supervisor names the engine's process."""
    pex = packed_pex(tmp_path / "vllm.pex", PINS, "")
    with listening_from(tmp_path / "venvs/1/abc", pex_info(PINS)) as process:
        engine.pages["/runtime/status"] = status(engine, engine_pid=process.pid)
        found = identify(serving(engine), PINS, pex, seconds=SECONDS)
        assert found.binds == ("runtime_lock", "runtime_pex")
        assert f"by process {process.pid} of runtime_pex" in found.said
        (pex / "PEX-INFO").write_text(pex_info({**PINS, "ray": "2.53.0"}))
        found = identify(serving(engine), PINS, pex, seconds=SECONDS)
        assert found.binds == ("runtime_lock",)
        assert f"process {process.pid} does not run from runtime_pex" in found.said


def test_another_build_of_the_pex_is_no_pass(engine: Replay, tmp_path: Path) -> None:
    pex = packed_pex(tmp_path / "vllm.pex", PINS, "")
    (pex / "PEX-INFO").write_text(pex_info(PINS, "vllm_runtime.__main__"))
    older = pex_info({**PINS, "ray": "2.53.0"}, "vllm_runtime.__main__")
    with listening_from(tmp_path / "venv", older) as process:
        engine.pages["/runtime/status"] = status(engine, engine_pid=process.pid)
        found = identify(serving(engine), PINS, pex, seconds=SECONDS)
    assert "from another build than runtime_pex" in str(found.contradiction)
    assert found.binds == ()


def test_who_listens_is_seen_without_a_supervisor(tmp_path: Path) -> None:
    pex = packed_pex(tmp_path / "vllm.pex", PINS, "")
    for number, info, name, runs, says in (
        (1, pex_info(PINS), "localhost", True, ""),
        (2, None, "localhost", False, "does not run from runtime_pex"),
        (3, pex_info(PINS), "gpu1.example", False, "gpu1.example is another machine"),
    ):
        with listening_from(tmp_path / f"venv{number}", info) as process:
            found = serving_at(f"http://{name}:{process.port}/v1", pex, "runtime_pex")
        assert (found.is_pex, says in found.unknown) == (runs, True), found
    ended = serving_at(f"http://localhost:{process.port}/v1", pex, "runtime_pex")
    assert "not visible" in ended.unknown


def test_what_was_not_seen_to_serve_is_no_subject(engine: Replay, tmp_path: Path) -> None:
    make_workspace(tmp_path, CONTEXT)
    (tmp_path / "inference.lock").write_text(lock_text())
    options = ("--url", engine.url, "--model", MODEL, "--no-measure")
    assert run(tmp_path, "serving", "verify", *options).returncode == 0
    record = open_session(tmp_path).store.read().latest("3.serve")
    assert record is not None
    assert set(record.statement.digests()) == {"setting:serving"}
    assert (
        run(tmp_path, "serving", "verify", *options, "--runtime-url", engine.base).returncode == 0
    )
    record = open_session(tmp_path).store.read().latest("3.serve")
    assert record is not None
    assert set(record.statement.digests()) == {"runtime_lock", "setting:serving"}
    engine.pages["/version"] = {"version": "0.32.0"}
    assert run(tmp_path, "serving", "verify", *options).returncode == 1
    record = open_session(tmp_path).store.read().latest("3.serve")
    assert record is not None
    assert record.statement.predicate.verdict is Verdict.FAIL
    assert "another server" in record.statement.predicate.reason
