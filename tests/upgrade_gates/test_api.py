"""Gate 5: what the API's PEX holds, whether it boots, and what it stands among."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from upgrade_gates.api.contents import judge_environment
from upgrade_gates.evidence.chain import Record
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.lock_file import read_lock
from upgrade_gates.pex_file import read_pex
from upgrade_gates_testing.pexes import zipped_pex
from upgrade_gates_testing.process import run
from upgrade_gates_testing.records import records_of, said
from upgrade_gates_testing.replay import Replay, replaying
from upgrade_gates_testing.workspaces import make_workspace

LOCK = "# as-of: 2026-11-20\n" + "".join(
    f"{pin} --hash=sha256:{'0' * 64}\n" for pin in ("fastapi==0.163.0", "ray==2.60.0")
)
VERSIONS = {"fastapi": "0.163.0", "ray": "2.60.0"}

SERVES = """
import http.server, signal, sys, tomllib
if sys.argv[1] == "check-config":
    sys.exit("no such upstream" if "bad" in open(sys.argv[3]).read() else 0)
assert sys.argv[1:3] == ["serve", "--config"], sys.argv
port = tomllib.load(open(sys.argv[3], "rb"))["server"]["port"]
class Alive(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = http.server.HTTPServer(("127.0.0.1", port), Alive)
print('{"event":"listening on http://127.0.0.1:%d"}' % server.server_port, flush=True)
server.serve_forever()
"""

READY = {"status": "ready", "upstreams": {"gpu": {"state": "up", "detail": "status 200"}}}


@pytest.fixture()
def around() -> Iterator[Replay]:
    """The running API, and the dashboard of a cluster that is like the PEX.

    The dashboard's answers are Ray 2.60's.
    """
    with replaying("vllm-0.13.0") as replay:
        replay.pages["/readyz"] = READY
        replay.pages["/api/version"] = {
            "version": "4",
            "ray_version": "2.60.0",
            "ray_commit": "b7f4259e944bf6959f721b106adc366ddfa0c356",
            "session_name": "session_2026-11-24_21-51-18_498108_13228",
        }
        metadata = {"rayVersion": "2.60.0", "pythonVersion": platform.python_version()}
        replay.pages["/api/v0/cluster_metadata"] = {"result": True, "msg": "", "data": metadata}
        yield replay


def verify(
    folder: Path,
    around: Replay,
    program: str = SERVES,
    versions: dict[str, str] = VERSIONS,
    lock: str = LOCK,
) -> tuple[int, dict[str, Record]]:
    make_workspace(
        folder,
        f'[artefacts]\napi_config = "querylake.toml"\n[api]\nurl = "{around.base}"\nmodel = "m"\n',
    )
    (folder / "api.lock").write_text(lock)
    zipped_pex(folder / "api.pex", versions, program)
    config = folder / "querylake.toml"
    if not config.exists():
        config.write_text("[server]\n")
    done = run(
        folder,
        *("api", "verify", "--pex", "api.pex", "--lock", "api.lock", "--seconds", "30"),
        *("--dashboard", around.base),
    )
    assert done.stderr == ""
    return done.returncode, records_of(folder)


def test_everything_holds(tmp_path: Path, around: Replay) -> None:
    code, records = verify(tmp_path, around)
    assert code == 0, {check: said(records, check) for check in records}
    assert len(records) == 6
    assert "ended cleanly; querylake.toml is good" in said(records, "5.boot")[1]
    assert run(tmp_path, "status", "--gate", "5").returncode == 0


def test_an_engine_strangers_and_tools_inside(tmp_path: Path, around: Replay) -> None:
    held = {**VERSIONS, "torch": "2.9.0", "fastapi": "0.162.0", "pytest": "9.2.0"}
    code, records = verify(tmp_path, around, versions=held)
    assert code == 1
    assert "fastapi 0.162.0, and the lock pins 0.163.0" in said(records, "5.environment")[1]
    assert said(records, "5.minimal")[1] == (
        "not in the lock: pytest, torch; only developers need: pytest"
    )
    assert said(records, "5.no-engine") == (Verdict.FAIL, "api.pex holds torch")


def test_a_wheel_that_the_pex_lists_and_does_not_hold(tmp_path: Path) -> None:
    hollow = read_pex(zipped_pex(tmp_path / "whole.pex", VERSIONS, ""))
    assert hollow.absent == ()
    lock = tmp_path / "api.lock"
    lock.write_text(LOCK)
    judged = judge_environment(replace(hollow, absent=("ray-2.60.0.whl",)), read_lock(lock))
    assert judged.verdict is Verdict.FAIL
    assert "lists 1 distributions that are not in it, such as ray-2.60.0.whl" in judged.reason


def test_a_boot_that_fails(tmp_path: Path, around: Replay) -> None:
    dead = SERVES + "\n"
    code, records = verify(tmp_path, around, program="import sys; sys.exit('no database')")
    assert (code, "no database" in said(records, "5.boot")[1]) == (1, True)
    (tmp_path / "querylake.toml").write_text("bad")
    code, records = verify(tmp_path, around, program=dead)
    assert said(records, "5.boot")[1].endswith("it refuses querylake.toml: no such upstream")
    stubborn = SERVES.replace("sys.exit(0)", "sys.exit(3)")
    code, records = verify(tmp_path, around, program=stubborn)
    assert "ended with 3 after SIGTERM" in said(records, "5.boot")[1]


def test_engines_that_are_not_reached(tmp_path: Path, around: Replay) -> None:
    around.pages["/readyz"] = {"upstreams": {"gpu": {"state": "down", "detail": "refused"}}}
    _, records = verify(tmp_path, around)
    assert said(records, "5.upstream") == (Verdict.FAIL, "it does not reach: gpu (refused)")
    around.pages["/readyz"] = {"status": "ready", "upstreams": {}}
    _, records = verify(tmp_path, around)
    assert "it knows no engine" in said(records, "5.upstream")[1]


@pytest.mark.parametrize(
    ("page", "content", "verdict", "says"),
    [
        ("/api/version", {"ray_version": "2.53.0"}, "fail", "runs Ray 2.53.0, and api.pex holds"),
        ("/api/v0/cluster_metadata", {"data": {"pythonVersion": "3.9.1"}}, "fail", "Python 3.9.1"),
        ("/api/v0/cluster_metadata", {"data": {}}, "inconclusive", "tells no Python"),
        ("/api/version", {"detail": "not Ray"}, "fail", "is it the Ray dashboard?"),
    ],
)
def test_a_cluster_that_is_different(
    tmp_path: Path, around: Replay, page: str, content: object, verdict: str, says: str
) -> None:
    around.pages[page] = content
    code, records = verify(tmp_path, around)
    found, why = said(records, "5.ray")
    assert (code, found, says in why) == (1, verdict, True), why


def test_a_cluster_that_asks_for_a_token(
    tmp_path: Path, around: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ray does by itself; the token is looked for where Ray's own programs look."""
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    answer, around.pages["/api/version"] = around.pages["/api/version"], 401
    _, records = verify(tmp_path, around)
    found, why = said(records, "5.ray")
    assert found is Verdict.NOT_CHECKABLE
    assert "asks for a token (401); put the cluster's into RAY_AUTH_TOKEN" in why
    file = tmp_path / "home" / ".ray" / "auth_token"
    file.parent.mkdir(parents=True)
    file.write_text("of-the-cluster\n")
    around.pages["/api/version"] = 403
    _, records = verify(tmp_path, around)
    assert "refuses the token that it was given (403)" in said(records, "5.ray")[1]
    around.pages["/api/version"] = answer
    _, records = verify(tmp_path, around)
    assert said(records, "5.ray")[0] is Verdict.PASS
    assert "Bearer of-the-cluster" in around.keys
    kept = [each.read_text() for each in (tmp_path / ".upgrade").rglob("*.json")]
    assert not any("of-the-cluster" in text for text in kept)
