"""Gate 2: what an engine's PEX says of itself and holds, judged against its lock."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from upgrade_gates.errors import ArtefactUnusable
from upgrade_gates.evidence.chain import Record
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.lock_file import read_lock
from upgrade_gates.matrix.matrices import load_matrices
from upgrade_gates.pex_file import Ran, read_pex
from upgrade_gates.runtime.judgement import judge_environment, judge_report
from upgrade_gates.runtime.report import RuntimeReport
from upgrade_gates.session import open_session
from upgrade_gates_testing.pexes import packed_pex, zipped_pex
from upgrade_gates_testing.process import run
from upgrade_gates_testing.workspaces import lock_text, make_workspace

VERSIONS = {"torch": "2.9.0", "vllm": "0.13.0"}
ON_A_GPU = {
    "ok": True,
    "vllm_runtime": "0.1.0",
    "python": "3.11.7",
    "torch": "2.9.0+cu128",
    "vllm": "0.13.0",
    "expected": VERSIONS,
    "cuda_variant": "12.8",
    "cuda_available": True,
    "devices": ["NVIDIA L4"],
    "driver": "580.95.05",
    "minimum_driver": "570.26",
    "findings": [
        {"check": "import_torch", "ok": True, "detail": "torch 2.9.0+cu128 imports"},
        {"check": "import_vllm", "ok": True, "detail": "vllm 0.13.0 imports"},
        {"check": "torch_version", "ok": True, "detail": "2.9.0+cu128, as expected"},
        {"check": "vllm_version", "ok": True, "detail": "0.13.0, as expected"},
        {"check": "vllm_compiled", "ok": True, "detail": "vllm._C loads"},
        {"check": "cuda_available", "ok": True, "detail": "yes: NVIDIA L4"},
        {"check": "driver", "ok": True, "detail": "580.95.05 is at least 570.26 (CUDA 12.8)"},
    ],
}


def without_gpu() -> dict[str, Any]:
    report: dict[str, Any] = json.loads(json.dumps(ON_A_GPU))
    report |= {"cuda_available": False, "devices": [], "driver": None}
    found(report, "vllm_compiled").update(ok=None, detail="libcuda.so.1 is missing")
    found(report, "cuda_available").update(ok=None, detail="no")
    found(report, "driver").update(ok=None, detail="no NVIDIA driver here; needs 570.26")
    return report


def found(report: dict[str, Any], check: str) -> dict[str, Any]:
    (finding,) = (each for each in report["findings"] if each["check"] == check)
    assert isinstance(finding, dict)
    return finding


def program(report: object, code: int = 0) -> str:
    """Return an engine's program that prints a report, if it is asked as gate 2 asks."""
    return (
        "import json, sys\n"
        "assert sys.argv[1:3] == ['check', '--lock'] and sys.argv[4] == '--timeout', sys.argv\n"
        f"print(json.dumps(json.loads({json.dumps(report)!r})))\n"
        f"sys.exit({code})\n"
    )


def verify(
    folder: Path, source: str, versions: dict[str, str] | None = None
) -> tuple[int, dict[str, Record]]:
    make_workspace(folder)
    (folder / "inference.lock").write_text(lock_text())
    pex = packed_pex(folder / "vllm.pex", versions or VERSIONS, source)
    done = run(
        *(folder, "runtime", "verify", "--pex", str(pex), "--lock", "inference.lock"),
        *("--seconds", "60"),
    )
    assert done.stderr == ""
    records = open_session(folder).store.read().records
    return done.returncode, {record.check: record for record in records}


def verdicts(records: dict[str, Record]) -> dict[str, Verdict]:
    return {check: record.statement.predicate.verdict for check, record in records.items()}


def reason(records: dict[str, Record], check: str) -> str:
    return records[check].statement.predicate.reason


def test_on_a_gpu_host_everything_holds(tmp_path: Path) -> None:
    code, records = verify(tmp_path, program(ON_A_GPU))
    assert code == 0
    assert set(verdicts(records).values()) == {Verdict.PASS}
    assert set(records["2.environment"].statement.digests()) == {"runtime_lock", "runtime_pex"}
    assert "NVIDIA L4" in reason(records, "2.sanity.torch")
    assert run(tmp_path, "status", "--gate", "2").returncode == 0
    (tmp_path / "vllm.pex" / "__main__.py").write_text("")
    changed = run(tmp_path, "status", "--gate", "2")
    assert changed.returncode == 1
    assert "runtime_pex changed" in changed.stdout


def test_without_a_gpu_it_says_what_it_could_not_see(tmp_path: Path) -> None:
    code, records = verify(tmp_path, program(without_gpu()))
    assert code == 1
    assert verdicts(records) == {
        "2.environment": Verdict.PASS,
        "2.install.torch": Verdict.PASS,
        "2.install.vllm": Verdict.PASS,
        "2.sanity.torch": Verdict.NOT_CHECKABLE,
        "2.sanity.vllm": Verdict.NOT_CHECKABLE,
    }
    assert "GPU host" in reason(records, "2.sanity.torch")


def test_faults_are_named(tmp_path: Path) -> None:
    old = json.loads(json.dumps(ON_A_GPU))
    found(old, "driver").update(ok=False, detail="560.28.03 is older than 570.26")
    found(old, "vllm_version").update(ok=False, detail="0.14.1; expected 0.13.0")
    found(old, "vllm_compiled").update(ok=False, detail="vllm._C does not load: undefined symbol")
    old["cuda_available"] = False
    code, records = verify(tmp_path, program(old, code=1), {"torch": "2.9.0", "vllm": "0.14.1"})
    assert code == 1
    assert set(verdicts(records).values()) == {Verdict.FAIL}
    assert "vllm 0.14.1, and the lock pins 0.13.0" in reason(records, "2.environment")
    assert "older than 570.26" in reason(records, "2.install.torch")
    assert "sees no CUDA device, though driver 580.95.05" in reason(records, "2.sanity.torch")
    assert "undefined symbol" in reason(records, "2.sanity.vllm")


@pytest.mark.parametrize(
    ("changes", "line", "says"),
    [
        ({"torch": "2.10.0"}, "torch", "torch 2.10.0, and the matrix asks for 2.9.0"),
        ({"cuda_variant": "13.0"}, "torch", "the matrix's driver goes up to 12.8"),
        ({"cuda_variant": "12.9"}, "torch", "CUDA 12.9"),
        ({"vllm": "0.14.1"}, "vllm", "vLLM 0.14.1, and the matrix asks for 0.13.0"),
        ({}, "torch", None),
    ],
)
def test_what_the_matrix_does_not_allow(
    changes: dict[str, str], line: str, says: str | None
) -> None:
    report = RuntimeReport.model_validate({**ON_A_GPU, **changes})
    judged = judge_report(report, load_matrices().matrices["B"])
    (found,) = (each for each in judged if each.check == f"2.install.{line}")
    assert found.verdict is (Verdict.PASS if says is None else Verdict.FAIL)
    assert says is None or says in found.reason


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import sys; sys.exit('no space left')", "exit code 1: no space left"),
        ("print('{}')", "no report"),
    ],
)
def test_a_runtime_that_does_not_answer(tmp_path: Path, source: str, says: str) -> None:
    code, records = verify(tmp_path, source)
    assert (code, verdicts(records)["2.environment"]) == (1, Verdict.PASS)
    assert says in reason(records, "2.sanity.vllm")
    assert verdicts(records)["2.sanity.vllm"] is Verdict.FAIL


def test_the_last_words_are_found_inside_a_frame() -> None:
    framed = """\
╭─ Error ─────────────────────────────╮
│ No such command 'check'.            │
╰─────────────────────────────────────╯
"""
    assert Ran(("pex",), 2, "", framed).last_line == "No such command 'check'."
    assert Ran(("pex",), 2, " \n", "╰──╯").last_line == "it said nothing"
    assert Ran(("pex",), 1, "", "first\nand last\n").last_line == "and last"


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    none = run(tmp_path, "runtime", "verify")
    assert none.returncode == 2
    assert "artefacts.runtime_pex is not set" in none.stderr
    gone = run(tmp_path, "runtime", "verify", "--pex", "absent.pex")
    assert gone.returncode == 2
    assert "nothing is there" in gone.stderr


def test_locks_and_pexes_are_read(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    lock.write_text(
        "# as-of: 2026-01-15\n"
        "ray[serve]==2.60.0 ; python_version < '3.12' \\\n"
        f"    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n"
        "Zope_Interface==7.0\n"
        "evil @ https://example.invalid/evil.whl\n"
    )
    read = read_lock(lock)
    assert [(pin.name, pin.version, len(pin.hashes)) for pin in read.pins] == [
        ("ray", "2.60.0", 2),
        ("zope-interface", "7.0", 0),
    ]
    assert read.pins[0].marker == "python_version < '3.12'"
    assert read.strangers == ("evil @ https://example.invalid/evil.whl",)
    assert str(read.as_of) == "2026-01-15"
    lock.write_text("nothing\n")
    with pytest.raises(ArtefactUnusable, match="pins nothing"):
        read_lock(lock)
    pex = zipped_pex(tmp_path / "a.pex", {"Foo-Bar": "1.0+cpu"}, "")
    assert read_pex(pex).versions == {"foo-bar": "1.0+cpu"}
    with pytest.raises(ArtefactUnusable, match="is not a PEX"):
        read_pex(lock)


@pytest.mark.parametrize("held", [{}, {"vllm": "0.13.0"}])
def test_a_pex_with_less_than_its_lock_is_no_environment(
    tmp_path: Path, held: dict[str, str]
) -> None:
    (tmp_path / "inference.lock").write_text(lock_text())
    pex = packed_pex(tmp_path / "vllm.pex", held, "print()")
    judged = judge_environment(read_pex(pex), read_lock(tmp_path / "inference.lock"))
    assert judged.verdict is Verdict.FAIL
    assert f"holds {len(held)} of the 2 distributions" in judged.reason
    assert "lacks torch" in judged.reason


def test_wheels_that_a_pex_lists_and_does_not_hold(tmp_path: Path) -> None:
    (tmp_path / "inference.lock").write_text(lock_text())
    locked = read_lock(tmp_path / "inference.lock")
    pinned = {"torch": "2.9.0", "vllm": "0.13.0"}
    pex = packed_pex(tmp_path / "vllm.pex", pinned, "print()")
    assert judge_environment(read_pex(pex), locked).verdict is Verdict.PASS
    (pex / ".deps" / "torch-2.9.0-py3-none-any.whl").unlink()
    judged = judge_environment(read_pex(pex), locked)
    assert judged.verdict is Verdict.FAIL
    assert "lists 1 distributions that are not in it, such as torch-2.9.0" in judged.reason
    shutil.rmtree(pex / ".deps")
    assert len(read_pex(pex).absent) == 2
