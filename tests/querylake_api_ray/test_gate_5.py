"""Gate 5, and the API itself, ask a live cluster's dashboard without joining the cluster."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import ray

from e2e_testing.programs import pex, run
from querylake_api.doctor.ray_versions import DashboardUnusable, cluster_version, mismatches
from querylake_api_testing.ray_head import TOKEN, RayHead

API_LOCK = Path("3rdparty/python/api.lock").resolve()


def test_the_cluster_s_ray_and_python_are_the_api_s(head: RayHead, tmp_path: Path) -> None:
    begun = run("upgrade_gates.pex", "init", cwd=tmp_path)
    assert begun.returncode == 0, begun.stderr
    refused = _verified(head.dashboard, tmp_path, "")
    assert refused["verdict"] == "not_checkable"
    assert "RAY_AUTH_TOKEN" in refused["reason"]
    found = _verified(head.dashboard, tmp_path, TOKEN)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert found["verdict"] == "pass", found
    assert found["reason"] == f"Ray {ray.__version__} and Python {python} on both sides"
    assert found["figures"]["ray"] == ray.__version__
    states = json.loads(run("upgrade_gates.pex", "status", "--json", cwd=tmp_path).stdout)
    lines = {line["id"]: line["state"] for gate in states["gates"] for line in gate["lines"]}
    assert lines["5.ray"] == "done"


def test_the_api_asks_the_same(head: RayHead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "b" * 64)
    with pytest.raises(DashboardUnusable, match="it answers 403: it wants the cluster's token"):
        cluster_version(head.dashboard)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    assert mismatches(cluster_version(head.dashboard)) == []


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
