"""All gates on a machine without a GPU: what holds is shown, and what cannot be seen is said."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e_testing.programs import pex, run
from e2e_testing.rollouts import Rollouts
from e2e_testing.stack import CHAT_MODEL, EMBEDDING_MODEL, Stack, running_stack

LOCKS = Path("3rdparty/python").resolve()
NO_GPU = not Path("/proc/driver/nvidia/version").exists()


ELSEWHERE = ("2.", "3.baseline.", "4.imports.")
"""What is shown on a GPU host, on a quiet machine, and in a checkout."""

BRING = """
import sys
from pathlib import Path
from upgrade_gates.checklist.gates import line_with_id
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.evidence.store import Finding
from upgrade_gates.session import open_session, utc_now
session, now = open_session(Path.cwd()), utc_now()
findings = [
    Finding(
        check=line,
        verdict=Verdict.PASS,
        reason="seen elsewhere",
        started_at=now,
        finished_at=now,
        subjects=session.artefacts.digests(line_with_id(line).binds),
    )
    for line in sys.argv[1:]
]
session.store.append(findings, command=["upgrade_gates"])
"""


class DryRun:
    """An upgrade of the running stack, in its folder."""

    def __init__(self, stack: Stack, admin_key: str) -> None:
        self.folder = stack.folder
        self._keys = {
            "CPU_RUNTIME_API_KEY": stack.runtime_key,
            "OCR_API_KEY": stack.runtime_key,
            "QUERYLAKE_API_KEY": stack.key,
            "QUERYLAKE_ADMIN_KEY": admin_key,
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

    def missing(self) -> list[str]:
        """Return the lines that a promotion lacks."""
        asked = self("evidence", "fresh", "--for", "promotion")
        lines = [each.partition(":")[0] for each in json.loads(asked.stdout)["missing"]]
        assert asked.returncode == int(bool(lines))
        return lines

    def bring(self, lines: list[str]) -> None:
        """Keep evidence as other machines would have brought it, with the program's own code."""
        script = self.folder / "bring.py"
        script.write_text(BRING)
        done = run("upgrade_gates.pex", str(script), *lines, cwd=self.folder, PEX_INTERPRETER="1")
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Everything, as these tests need it."""
    with (
        tempfile.TemporaryDirectory(prefix="querylake-") as folder,
        running_stack(Path(folder), whole=True) as started,
    ):
        yield started


@pytest.fixture(scope="module")
def admin_key(stack: Stack) -> str:
    return stack.key_for_everything()


@pytest.fixture(scope="module")
def gates(stack: Stack, admin_key: str) -> DryRun:
    """An upgrade that knows the running stack, as an operator begins one."""
    dry_run = DryRun(stack, admin_key)
    begun = dry_run(
        *("init", "--model", CHAT_MODEL, "--serving-key-env", "CPU_RUNTIME_API_KEY"),
        *("--serving-url", f"{stack.chat_url}/v1", "--old-url", f"{stack.chat_url}/v1"),
        *("--api-url", stack.url, "--api-model", CHAT_MODEL, "--ocr"),
        *("--admin-key-env", "QUERYLAKE_ADMIN_KEY"),
        *("--embeddings-model", EMBEDDING_MODEL, "--rerank-model", EMBEDDING_MODEL),
        *("--artefact", f"api_pex={pex('querylake_api.pex')}"),
        *("--artefact", f"api_config={stack.folder / 'querylake.toml'}"),
        *("--artefact", f"api_lock={LOCKS / 'api.lock'}"),
        *("--artefact", f"runtime_lock={LOCKS / 'inference.lock'}"),
        *("--artefact", f"edge_lock={LOCKS / 'edge.lock'}"),
        *("--artefact", f"ocr_lock={LOCKS / 'ocr.lock'}"),
        *("--artefact", f"ocr_pex={pex('ocr.pex')}"),
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


def test_gate_3_compares_the_engine_with_itself(gates: DryRun) -> None:
    # In so short a time it is not decided what such an engine can show; a person answers for it.
    gates("parity", "verify", "--seconds", "20", "--accept", "A. Tester: it is one engine")
    assert gates.states()["3.parity"] == "done"


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
        "6.smoke.ocr": "pass",
    }


def test_gate_7_reads_the_locks(gates: DryRun) -> None:
    verdicts = gates.verdicts("hygiene", "verify")
    # The engines' PEX files are not built here.
    assert verdicts.pop("7.clean") == "inconclusive"
    assert set(verdicts.values()) == {"pass"}
    assert len(list((gates.folder / ".upgrade" / "sbom").iterdir())) == 4


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


def test_a_rollout_is_promoted_only_while_the_gates_hold(
    gates: DryRun, stack: Stack, admin_key: str
) -> None:
    """The API asks the gates' own program; a way back that was gone is told from its records."""
    rollouts = Rollouts(stack.url, admin_key)
    drill = rollouts.started()
    rollouts.decided(drill)  # so that the candidate has served somebody
    assert rollouts.order(drill, "rollback").status_code == 200
    rollouts.flipped(drill, "rolled_back")
    rollout = rollouts.started()
    rollouts.decided(rollout)

    assert {line for line in gates.missing() if not line.startswith(ELSEWHERE)} == set()
    refused = rollouts.order(rollout, "promote")
    assert refused.status_code == 409
    assert "2.environment: open" in refused.text
    assert "(run: upgrade_gates runtime verify)" in refused.text

    gates.bring(gates.missing())
    config = stack.folder / "querylake.toml"
    before = config.read_text()
    config.write_text(f"{before}\n# changed\n")
    refused = rollouts.order(rollout, "promote")
    assert refused.status_code == 409
    assert "stale: api_config changed (run: upgrade_gates boundary verify)" in refused.text

    config.write_text(before)
    promoted = rollouts.order(rollout, "promote")
    assert (promoted.status_code, promoted.json()["status"]) == (200, "promoted")
    assert rollouts.event(rollout, "promoted")["figures"]["gates"]["holds"] is True

    verdicts = gates.verdicts("rollout", "verify")
    assert set(verdicts.values()) == {"pass"}, verdicts
    assert {"6.canary.route", "6.promote.default", "6.promote.rollback"} < set(verdicts)
    assert gates("status", "--gate", "6").returncode == 0
