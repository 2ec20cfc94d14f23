"""Gate 5, and the API itself, ask a live cluster's dashboard without joining the cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import ray

from e2e_testing.programs import free_port, pex, run
from querylake_api.ray_serve.versions import DashboardUnusable, cluster_version, mismatches

SECONDS = 180.0
"""On a busy machine, a cluster's head and its dashboard take a minute or two."""

TOKEN = "a" * 64
"""Ray's clusters ask for one unless they are told not to."""

API_LOCK = Path("3rdparty/python/api.lock").resolve()


@pytest.fixture(scope="module")
def dashboard() -> Iterator[str]:
    """Run the head of a cluster on loopback, and give its dashboard's address."""
    port, client, dashboard = (free_port() for _ in range(3))
    # Sockets lie in it, whose paths must be short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        head = subprocess.Popen(
            [
                *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
                *("--node-ip-address", "127.0.0.1", "--port", str(port), "--num-cpus", "1"),
                *("--ray-client-server-port", str(client), "--temp-dir", folder),
                *("--dashboard-host", "127.0.0.1", "--dashboard-port", str(dashboard)),
                "--disable-usage-stats",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN},
        )
        try:
            url = f"http://127.0.0.1:{dashboard}"
            _wait_until_it_answers(head, f"{url}/api/version")
            yield url
        finally:
            # It ends the processes that it has started.
            head.send_signal(signal.SIGTERM)
            head.wait(SECONDS)


def test_the_cluster_s_ray_and_python_are_the_api_s(dashboard: str, tmp_path: Path) -> None:
    begun = run("upgrade_gates.pex", "init", cwd=tmp_path)
    assert begun.returncode == 0, begun.stderr
    refused = _verified(dashboard, tmp_path, "")
    assert refused["verdict"] == "not_checkable"
    assert "RAY_AUTH_TOKEN" in refused["reason"]
    found = _verified(dashboard, tmp_path, TOKEN)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert found["verdict"] == "pass", found
    assert found["reason"] == f"Ray {ray.__version__} and Python {python} on both sides"
    assert found["figures"]["ray"] == ray.__version__
    states = json.loads(run("upgrade_gates.pex", "status", "--json", cwd=tmp_path).stdout)
    lines = {line["id"]: line["state"] for gate in states["gates"] for line in gate["lines"]}
    assert lines["5.ray"] == "done"


def test_the_api_asks_the_same(dashboard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "b" * 64)
    with pytest.raises(DashboardUnusable, match="it answers 403: it wants the cluster's token"):
        cluster_version(dashboard)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    assert mismatches(cluster_version(dashboard)) == []


def _verified(dashboard: str, folder: Path, token: str) -> dict[str, Any]:
    """Return what gate 5 says of the cluster."""
    verified = run(
        *("upgrade_gates.pex", "api", "verify", "--dashboard", dashboard, "--json"),
        *("--pex", str(pex("querylake_api.pex")), "--lock", str(API_LOCK)),
        cwd=folder,
        HOME=str(folder),  # or it finds this user's own token
        RAY_AUTH_TOKEN=token,
    )
    found = [each["predicate"] for each in json.loads(verified.stdout)]
    (line,) = (each for each in found if each["check"] == "5.ray")
    return dict(line)


def _wait_until_it_answers(head: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and head.poll() is None:
        try:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            if httpx.get(url, headers=headers, timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    pytest.fail(f"{url} does not answer; the head's exit code is {head.poll()}")
