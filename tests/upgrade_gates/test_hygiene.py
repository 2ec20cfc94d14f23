"""Gate 7: locks, consistency, two builds, and bills of materials."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from upgrade_gates.checklist.gates import gate_numbered
from upgrade_gates.evidence.chain import Record
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.hygiene.lock_tool import judge_lock_check
from upgrade_gates.hygiene.locks import input_digest
from upgrade_gates.pex_file import Ran
from upgrade_gates.session import open_session
from upgrade_gates_testing.pexes import packed_pex, pex_info
from upgrade_gates_testing.process import run
from upgrade_gates_testing.records import records_of, said
from upgrade_gates_testing.workspaces import make_workspace

CONTEXT = """\
[artefacts]
api_lock = "locks/api.lock"
runtime_lock = "locks/inference.lock"
edge_lock = "locks/edge.lock"
api_pex = "api.pex"
runtime_pex = "vllm.pex"
edge_pex = "edge.pex"
"""
PINS = {
    "api": {"fastapi": "0.163.0", "starlette": "1.10.0"},
    "inference": {"torch": "2.9.0", "vllm": "0.13.0"},
    "edge": {"torch": "2.13.0", "vllm": "0.32.0"},
}
REQUIRES = {
    "fastapi": [
        "starlette<2,>=1",
        "httpx>=0.23; extra == 'standard'",
        "tomli; python_version < '3.11'",
    ],
    "vllm": ["torch==2.9.0"],
}


LICENCES = {
    "fastapi": "License-Expression: MIT\n",
    "starlette": "Classifier: License :: OSI Approved :: BSD License\n",
}


def write_lock(folder: Path, name: str, as_of: str = "2026-01-15") -> None:
    folder.mkdir(exist_ok=True)
    lock = folder / f"{name}.lock"
    lock.with_suffix(".in").write_text(f"{name}\n")
    pins = "".join(
        f"{package}=={version} \\\n    --hash=sha256:{'1' * 64} \\\n    --hash=sha256:{'2' * 64}\n"
        for package, version in PINS[name].items()
    )
    lock.write_text(f"# as-of: {as_of}\n# input-sha256: {input_digest(lock)}\n{pins}")


def metadata(package: str, version: str) -> str:
    requires = "".join(f"Requires-Dist: {each}\n" for each in REQUIRES.get(package, []))
    head = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
    return f"{head}{LICENCES.get(package, '')}{requires}\nBody\n"


def write_pexes(folder: Path) -> None:
    """Write a zipped PEX with unpacked wheels, and a packed one with zipped wheels."""
    with zipfile.ZipFile(folder / "api.pex", "w") as archive:
        archive.writestr("PEX-INFO", pex_info(PINS["api"]))
        for package, version in PINS["api"].items():
            wheel = f".deps/{package}-{version}-py3-none-any.whl"
            archive.writestr(
                f"{wheel}/{package}-{version}.dist-info/METADATA", metadata(package, version)
            )
            archive.writestr(f"{wheel}/{package}/_vendor/x-1.dist-info/METADATA", "Name: x\n\n")
    for name, stack in (("vllm.pex", "inference"), ("edge.pex", "edge")):
        write_packed(folder / name, PINS[stack])


def write_packed(folder: Path, versions: dict[str, str]) -> None:
    packed = packed_pex(folder, versions, "")
    shutil.rmtree(packed / ".deps")
    (packed / ".deps").mkdir()
    for package, version in versions.items():
        with zipfile.ZipFile(packed / ".deps" / f"{package}-{version}-py3.whl", "w") as archive:
            archive.writestr(
                zipfile.ZipInfo(f"{package}-{version}.dist-info/METADATA"),
                metadata(package, version).replace("2.9.0", versions["torch"]),
            )


@pytest.fixture()
def workspace(tmp_path: Path) -> Path:
    """Three stacks with locks, and two PEX files."""
    make_workspace(tmp_path, CONTEXT)
    for name in PINS:
        write_lock(tmp_path / "locks", name)
    write_pexes(tmp_path)
    return tmp_path


def verify(folder: Path, *options: str) -> tuple[int, dict[str, Record]]:
    done = run(folder, "hygiene", "verify", *options)
    assert done.stderr == ""
    return done.returncode, records_of(folder)


def test_everything_holds(workspace: Path) -> None:
    shutil.copytree(workspace / "vllm.pex", workspace / "again.pex")
    code, records = verify(workspace, "--second-build", "again.pex")
    assert code == 0, {check: said(records, check) for check in records}
    assert sorted(records) == [
        *("7.clean", "7.edge", "7.locks.fresh", "7.locks.hashed", "7.sbom", "7.split", "7.stable"),
    ]
    assert "vLLM 0.32.0 and torch 2.13.0 in edge" in said(records, "7.edge")[1]
    for name in PINS:
        bill = (workspace / ".upgrade" / "sbom" / f"{name}.cdx.json").read_text()
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None


def test_a_bill_that_is_gone_or_changed_is_stale(workspace: Path) -> None:
    verify(workspace)
    assert why_stale(workspace) is None
    bill = workspace / ".upgrade" / "sbom" / "api.cdx.json"
    bill.write_text(bill.read_text().replace("MIT", "0BSD"))
    assert why_stale(workspace) == "sbom:api.cdx.json changed"
    bill.unlink()
    assert why_stale(workspace) == "sbom:api.cdx.json is gone"


def why_stale(folder: Path) -> str | None:
    """Return why the bills do not hold; None if they do."""
    gate = open_session(folder).judge().gate(gate_numbered(7))
    (line,) = (each for each in gate.lines if each.line.id == "7.sbom")
    return None if line.holds else line.why


@pytest.mark.parametrize("left_out", ["api", "runtime"])
def test_a_stack_that_is_not_named_was_not_looked_at(workspace: Path, left_out: str) -> None:
    lines = CONTEXT.splitlines(keepends=True)
    make_workspace(workspace, "".join(x for x in lines if not x.startswith(f"{left_out}_lock")))
    _, records = verify(workspace)
    for line in ("7.locks.fresh", "7.locks.hashed", "7.sbom"):
        verdict, why = said(records, line)
        assert (verdict, f"{left_out}_lock" in why) == (Verdict.INCONCLUSIVE, True), why


def test_faults_of_locks(workspace: Path) -> None:
    locks = workspace / "locks"
    (locks / "inference.in").write_text("vllm==0.14.1\n")
    write_lock(locks, "edge", as_of="2999-01-01")
    api = locks / "api.lock"
    api.write_text(api.read_text() + "torch==2.9.0\nodd @ file:///x.whl\n")
    code, records = verify(workspace)
    assert code == 1
    _, why = said(records, "7.locks.fresh")
    assert "inference.in has changed since inference.lock was made" in why
    assert "edge.lock is as of 2999-01-01, which is to come" in why
    assert said(records, "7.locks.hashed")[1] == (
        "api.lock: no hash for torch; api.lock: no pin: odd @ file:///x.whl"
    )
    assert "api.lock holds torch" in said(records, "7.split")[1]
    shutil.copy(locks / "inference.lock", locks / "edge.lock")
    assert "vllm is 0.13.0 in both channels" in said(verify(workspace)[1], "7.edge")[1]


def test_a_stack_that_is_not_consistent(workspace: Path) -> None:
    (workspace / "vllm.pex/.deps/torch-2.9.0-py3.whl").unlink()
    verdict, why = said(verify(workspace)[1], "7.clean")
    assert (verdict, why) == (
        Verdict.FAIL,
        "vllm.pex: vllm requires torch==2.9.0, and it is not there",
    )
    (workspace / "locks/locks.toml").write_text(
        '[[inference.unmet]]\npackage = "vllm"\nrequires = "torch"\nreason = "for this test"\n'
    )
    verdict, why = said(verify(workspace)[1], "7.clean")
    assert (verdict, "1 listed exceptions" in why) == (Verdict.PASS, True)
    shutil.rmtree(workspace / "vllm.pex")
    verdict, why = said(verify(workspace)[1], "7.clean")
    assert (verdict, "not here: runtime_pex" in why) == (Verdict.INCONCLUSIVE, True)


def test_two_builds_that_differ(workspace: Path) -> None:
    shutil.copytree(workspace / "vllm.pex", workspace / "again.pex")
    (workspace / "again.pex" / "__main__.py").write_text("# other")
    code, records = verify(workspace, "--second-build", "again.pex")
    assert (code, "two builds differ in __main__.py" in said(records, "7.stable")[1]) == (1, True)
    same = run(workspace, "hygiene", "verify", "--second-build", "vllm.pex")
    assert (same.returncode, "is the same build" in same.stderr) == (2, True)


def test_a_second_build_is_made_on_request(workspace: Path) -> None:
    pants = workspace / "pants"
    pants.write_text(
        '#!/bin/sh\nfor each; do case "$each" in --pants-distdir=*) '
        f'cp -r {workspace}/vllm.pex "${{each#*=}}/vllm_runtime.pex";; esac; done\n'
    )
    pants.chmod(0o755)
    code, records = verify(workspace, "--build")
    assert (code, said(records, "7.stable")[0]) == (0, Verdict.PASS)
    pants.write_text("#!/bin/sh\necho 'no space left' >&2\nexit 1\n")
    failed = run(workspace, "hygiene", "verify", "--build")
    assert (failed.returncode, "no space left" in failed.stderr) == (2, True)


def test_installing_is_left_to_the_checkout_s_tool(workspace: Path) -> None:
    code, records = verify(workspace, "--install")
    assert (code, said(records, "7.locks.installable")[0]) == (1, Verdict.NOT_CHECKABLE)
    output = (
        "api            up to date, installs, consistent\n"
        "edge           up to date, can be installed (planned only)\n"
    )
    good = judge_lock_check(Ran(("lock",), 0, output, ""), ["api", "edge"])
    assert good.verdict is Verdict.PASS
    bad = judge_lock_check(Ran(("lock",), 1, output, "cpu FAILED\n  no wheel"), ["api", "cpu"])
    assert (bad.verdict, "cpu: " in bad.reason) == (Verdict.FAIL, True)


def test_a_bill_is_valid_and_repeatable(workspace: Path) -> None:
    first = run(workspace, "sbom", "locks/inference.lock")
    assert first.returncode == 0
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(first.stdout) is None
    bill = json.loads(first.stdout)
    assert [each["purl"] for each in bill["components"]] == [
        "pkg:pypi/torch@2.9.0",
        "pkg:pypi/vllm@0.13.0",
    ]
    assert len(bill["components"][0]["externalReferences"]) == 2
    run(workspace, "sbom", "locks/inference.lock", "-o", "bill.json")
    assert (workspace / "bill.json").read_text() == first.stdout
    assert run(workspace, "sbom", "locks/api.in").returncode == 2


def test_a_bill_with_a_pex_has_the_tree_and_the_licences(workspace: Path) -> None:
    shown = run(workspace, "sbom", "locks/api.lock", "--pex", "api.pex")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(shown.stdout) is None
    bill = json.loads(shown.stdout)
    fastapi, starlette = bill["components"]
    assert {each["ref"]: each["dependsOn"] for each in bill["dependencies"]} == {
        "stack:api": [fastapi["bom-ref"]],
        fastapi["bom-ref"]: [starlette["bom-ref"]],
        starlette["bom-ref"]: [],
    }
    assert fastapi["licenses"] == [{"expression": "MIT"}]
    assert starlette["licenses"] == [{"license": {"name": "BSD License"}}]
    assert [each["content"] for each in fastapi["hashes"]] == ["1" * 64, "2" * 64]
    assert bill["compositions"][0]["aggregate"] == "complete"
    bare = json.loads(run(workspace, "sbom", "locks/api.lock").stdout)
    assert bare["compositions"][0]["aggregate"] == "incomplete"
    assert "licenses" not in bare["components"][0]
