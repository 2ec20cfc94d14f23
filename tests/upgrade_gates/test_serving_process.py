"""Gates 4 to 6: evidence names the API's PEX only where it was seen to serve."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from upgrade_gates.api.serving_process import identify_api
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.serving.listeners import listening_processes
from upgrade_gates.serving.outcome import Outcome
from upgrade_gates_testing.pexes import listening_from, pex_info, zipped_pex

VERSIONS = {"fastapi": "0.163.0"}
PROGRAM = "querylake_api.__main__"
PASS = Outcome(Verdict.PASS, "a chat is answered")


@pytest.fixture()
def pex(tmp_path: Path) -> Path:
    return zipped_pex(tmp_path / "api.pex", VERSIONS, "", PROGRAM)


def test_the_pex_that_serves_is_named(tmp_path: Path, pex: Path) -> None:
    with listening_from(tmp_path / "venv", pex_info(VERSIONS, PROGRAM)) as process:
        found = identify_api(f"http://127.0.0.1:{process.port}", pex)
    assert found.binds == ("api_pex",)
    said = found.named_in(PASS).reason
    assert said == f"a chat is answered; served by process {process.pid} of api_pex"


def test_an_older_build_that_serves_is_no_pass(tmp_path: Path, pex: Path) -> None:
    older = pex_info({"fastapi": "0.162.0"}, PROGRAM)
    with listening_from(tmp_path / "venv", older) as process:
        found = identify_api(f"http://127.0.0.1:{process.port}", pex)
    assert found.binds == ()
    outcome = found.named_in(PASS)
    assert outcome.verdict is Verdict.FAIL
    assert f"process {process.pid} serves" in outcome.reason
    failed = Outcome(Verdict.FAIL, "no response")
    assert found.named_in(failed) == failed


@pytest.mark.parametrize("info", [None, pex_info(VERSIONS, "another_program")])
def test_what_is_not_seen_is_not_claimed(tmp_path: Path, pex: Path, info: str | None) -> None:
    with listening_from(tmp_path / "venv", info) as process:
        found = identify_api(f"http://127.0.0.1:{process.port}", pex)
    assert (found.binds, found.contradiction) == ((), None)
    outcome = found.named_in(PASS)
    assert outcome.verdict is Verdict.PASS
    assert f"process {process.pid} does not run from api_pex" in outcome.reason


def test_a_pex_that_is_not_there_or_no_pex(tmp_path: Path) -> None:
    (tmp_path / "api.pex").write_text("no PEX")
    for pex in (None, tmp_path / "absent.pex", tmp_path / "api.pex"):
        assert "artefacts.api_pex is not there" in identify_api("http://127.0.0.1:1", pex).said


def test_every_listener_of_a_port_is_found(tmp_path: Path) -> None:
    with listening_from(tmp_path / "venv", None) as process:
        assert listening_processes(process.port) == {process.pid}
        with socket.create_connection(("127.0.0.1", process.port)) as client:
            assert listening_processes(client.getsockname()[1]) == frozenset()
    assert listening_processes(process.port) == frozenset()
