"""All gates on a machine without a GPU: what holds is shown, and what cannot be seen is said."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from e2e_testing.programs import pex, run
from e2e_testing.stack import CHAT_MODEL, EMBEDDING_MODEL, Stack

LOCKS = Path("3rdparty/python").resolve()
NO_GPU = not Path("/proc/driver/nvidia/version").exists()


class DryRun:
    """An upgrade of the running stack, in a folder of its own."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        self.folder = folder
        self._keys = {
            "CPU_RUNTIME_API_KEY": stack.runtime_key,
            "QUERYLAKE_API_KEY": stack.key,
            "NO_COLOR": "1",
        }

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the program."""
        return run("upgrade_gates.pex", *arguments, cwd=self.folder, **self._keys)

    def verdicts(self, *arguments: str) -> dict[str, str]:
        """Run a command that verifies, and return the verdict of each line."""
        done = self(*arguments, "--json")
        assert done.returncode in (0, 1), done.stderr
        found = [each["predicate"] for each in json.loads(done.stdout)]
        assert done.returncode == int(any(each["verdict"] != "pass" for each in found))
        return {each["check"]: each["verdict"] for each in found}

    def states(self) -> dict[str, str]:
        """Return the state of every line."""
        report = json.loads(self("status", "--json").stdout)
        return {line["id"]: line["state"] for gate in report["gates"] for line in gate["lines"]}


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory, stack: Stack) -> DryRun:
    """An upgrade that knows the running stack, as an operator begins one."""
    dry_run = DryRun(tmp_path_factory.mktemp("upgrade"), stack)
    begun = dry_run(
        *("init", "--model", CHAT_MODEL, "--serving-key-env", "CPU_RUNTIME_API_KEY"),
        *("--serving-url", f"{stack.chat_url}/v1", "--old-url", f"{stack.chat_url}/v1"),
        *("--api-url", stack.url, "--api-model", CHAT_MODEL),
        *("--embeddings-model", EMBEDDING_MODEL, "--rerank-model", EMBEDDING_MODEL),
        *("--artefact", f"api_pex={pex('querylake_api.pex')}"),
        *("--artefact", f"api_config={stack.folder / 'querylake.toml'}"),
        *("--artefact", f"api_lock={LOCKS / 'api.lock'}"),
        *("--artefact", f"runtime_lock={LOCKS / 'inference.lock'}"),
        *("--artefact", f"edge_lock={LOCKS / 'edge.lock'}"),
    )
    assert begun.returncode == 0, begun.stderr
    return dry_run


def test_gates_0_and_1_record_what_is_there(gates: DryRun) -> None:
    recorded = gates.verdicts("record")
    assert recorded["0.facts.kernel"] == "pass"
    if NO_GPU:
        assert recorded["0.facts.nvidia-smi"] != "pass"
        assert gates("driver", "verify").returncode != 0


def test_gate_2_without_the_engine_s_environment(gates: DryRun) -> None:
    refused = gates("runtime", "verify")
    assert refused.returncode == 2
    assert "artefacts.runtime_pex is not set" in refused.stderr


def test_gate_3_asks_and_measures_a_real_engine(gates: DryRun) -> None:
    verdicts = gates.verdicts("serving", "verify", "--seconds", "8")
    conformance = {line: v for line, v in verdicts.items() if "baseline" not in line}
    assert set(conformance.values()) == {"pass"}
    # How much a busy machine answers within the time is its own affair.
    assert verdicts["3.baseline.ttft"] in ("pass", "inconclusive")
    if NO_GPU:
        assert verdicts["3.baseline.gpu-memory"] == "not_checkable"


def test_gate_4_reaches_the_engine_through_the_api(gates: DryRun) -> None:
    assert gates.verdicts("boundary", "verify") == {
        "4.imports.sources": "not_checkable",
        "4.imports.pex": "not_checkable",
        "4.provider.chat": "pass",
        "4.routing.chat": "pass",
        "4.provider.embeddings": "pass",
        "4.routing.embeddings": "pass",
        "4.config": "pass",
        "4.fallback": "pass",
    }


def test_gate_5_looks_into_the_api_and_boots_it(gates: DryRun) -> None:
    assert set(gates.verdicts("api", "verify").values()) == {"pass"}


def test_gate_6_smoke(gates: DryRun) -> None:
    verdicts = gates.verdicts("rollout", "verify", "--smoke-only")
    assert verdicts == {
        "6.smoke.chat": "pass",
        "6.smoke.embeddings": "pass",
        "6.smoke.rerank": "pass",
    }


def test_gate_7_reads_the_locks(gates: DryRun) -> None:
    verdicts = gates.verdicts("hygiene", "verify")
    # The engines' PEX files are not built here.
    assert verdicts.pop("7.clean") == "inconclusive"
    assert set(verdicts.values()) == {"pass"}
    assert len(list((gates.folder / ".upgrade" / "sbom").iterdir())) == 3


def test_status_report_and_promotion_say_the_same(gates: DryRun) -> None:
    states = gates.states()
    assert states["5.environment"] == "done"
    assert states["2.environment"] == "open"
    assert states["5.ray"] == "not needed"
    assert gates("evidence", "verify").returncode == 0
    assert gates("report").returncode == 0
    assert "3.endpoints.stream" in (gates.folder / ".upgrade" / "report.html").read_text()
    asked = gates("evidence", "fresh", "--for", "promotion")
    assert asked.returncode == 1
    assert any(each.startswith("2.environment") for each in json.loads(asked.stdout)["missing"])


def test_a_changed_configuration_makes_evidence_stale(gates: DryRun, stack: Stack) -> None:
    config = stack.folder / "querylake.toml"
    before = config.read_text()
    try:
        config.write_text(f"{before}\n# changed\n")
        assert gates.states()["4.config"] == "stale"
    finally:
        config.write_text(before)
    assert gates.states()["4.config"] == "done"
