"""The command, on a small repository: what it reports, and what it cannot judge."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from querylake_build.boundaries import pants
from querylake_build.boundaries.cli import main
from querylake_build.boundaries.pex import check_contents, judge_modules
from querylake_build.boundaries.planted import PLANTS, smuggled
from querylake_build.boundaries.policy import BoundaryError, read_policy

POLICY_FILE = Path("build-support/boundaries.toml")
POLICY = read_policy(POLICY_FILE)
STACKS = ("ocr", "cpu", "clients", "inference", "edge")
SETTINGS = """\
[GLOBAL]
backend_packages = ["pants.backend.experimental.visibility"]
[python]
enable_resolves = true
[python-infer]
unowned_dependency_behavior = "error"
"""


@pytest.fixture()
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which every boundary holds."""
    root = tmp_path / "repository"
    files = {
        "pants.toml": SETTINGS,
        "build-support/boundaries.toml": POLICY_FILE.read_text(encoding="utf-8"),
        "3rdparty/python/api.lock": "fastapi==0.120.0\n",
        "3rdparty/python/base.lock": "httpx==0.28.1\n",
        **{f"3rdparty/python/{stack}.lock": "" for stack in STACKS},
        "3rdparty/python/tools/pytest.lock": "pytest==9.2.0\n",
        "src/python/querylake_api/process/startup.py": "import fastapi\n",
        "src/python/querylake_api/inference/catalog.py": "",
        "src/python/querylake_api/keys/ring.py": "",
        "src/python/querylake_api/BUILD": "",
        "src/python/ocr/cli.py": "from ocr import errors\n",
        "src/python/ocr/errors.py": "",
        "src/python/vllm_runtime/cli.py": "import vllm\n",
        "tests/empty.txt": "",
    }
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    monkeypatch.setenv("REPO_ROOT", str(root))
    return root


def test_a_clean_repository_holds(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--no-pants"]) == 0
    said = capsys.readouterr().out
    assert said.count(" holds ") == 4
    assert "BROKEN" not in said


def test_a_breach_is_named_with_its_place(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "3rdparty/python/api.lock").write_text("Torch_Vision==1\nNVIDIA.cublas==2\n")
    assert main(["--no-pants"]) == 1
    assert "  3rdparty/python/api.lock: pins the engine nvidia-cublas==2" in capsys.readouterr().out


def test_what_is_planted_is_seen_and_the_checkout_stays_as_it_was(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file: file.read_bytes() for file in repository.rglob("*.*") if file.is_file()}
    assert main(["--no-pants", "--planted", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["holds"] is True
    trials = {trial["title"]: trial for trial in report["planted"]}
    assert trials.pop("nothing (the control)")["seen"] == []
    assert set(trials) == {plant.title for plant in PLANTS}
    for plant in PLANTS:
        rules = {violation["rule"] for violation in trials[plant.title]["seen"]}
        assert rules == set(plant.seen_by) - {pants.RULE}
    assert before == {file: file.read_bytes() for file in before}


def test_a_plant_that_goes_unseen_fails(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # With a policy that knows no engines, nothing that is planted can be seen.
    policy = repository / "build-support/boundaries.toml"
    text = policy.read_text(encoding="utf-8")
    policy.write_text(text.replace('"torch", "torch-*"', '"other"').replace('  "torch"', '  "x"'))
    assert main(["--no-pants", "--planted"]) == 1
    assert "WRONG, wanted" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "no toml", "[engines]\n"])
def test_a_policy_that_cannot_be_used_is_no_verdict(
    repository: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "build-support/boundaries.toml").write_text(text)
    assert main(["--no-pants"]) == 2
    assert "boundaries.toml cannot be used" in capsys.readouterr().err


def built(file: Path, *members: str) -> Path:
    """Write a PEX file of these members."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("PEX-INFO", json.dumps({"distributions": {"httpx-0.28.1-py3.whl": ""}}))
        for member in members:
            archive.writestr(member, "")
    return file


def test_a_pex_is_judged_by_its_distributions_and_their_modules(tmp_path: Path) -> None:
    clean = built(tmp_path / "api.pex", ".deps/httpx-0.28.1-py3.whl/httpx/__init__.py")
    assert check_contents(clean, POLICY)[0] == []
    (tmp_path / "copies").mkdir()
    assert len(check_contents(smuggled(clean, tmp_path / "copies"), POLICY)[0]) == 2
    vendored = built(tmp_path / "other.pex", ".deps/innocent-1-py3.whl/vllm/__init__.py")
    [violation] = check_contents(vendored, POLICY)[0]
    assert violation.says == "holds the engine module vllm, in innocent-1-py3.whl"


def test_what_is_no_pex_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "x.pex").write_text("not a zip file")
    with pytest.raises(BoundaryError, match="build it first"):
        check_contents(tmp_path / "x.pex", POLICY)
    with pytest.raises(BoundaryError, match="build it first"):
        check_contents(tmp_path / "none.pex", POLICY)


def test_imported_engines_are_seen_by_their_top_module() -> None:
    loaded = ["asyncio", "torch._C", "torchlike", "nvidia", "querylake_api.process.startup"]
    found = [violation.says for violation in judge_modules("api.pex", loaded, POLICY)]
    assert [says.split()[3] for says in found] == ["torch._C", "nvidia"]


def pants_that(repository: Path, script: str) -> None:
    """Put a program in the place of Pants."""
    file = repository / "pants"
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


def test_what_pants_refuses_is_reported_by_target(repository: Path) -> None:
    pants_that(
        repository,
        "cat >&2 <<'EOF'\n"
        "UnownedDependencyError: Pants cannot infer owners for the following imports in the "
        "target src/python/querylake_api/cli.py:lib:\n\n  * vllm (line: 3)\n\nThese imports ...\n"
        "EOF\nexit 1",
    )
    [violation] = pants.check_pants(repository)[0]
    assert violation.place == "src/python/querylake_api/cli.py:lib"
    assert violation.says.endswith("vllm (line: 3)")


def test_a_denied_dependency_is_reported_with_both_ends(repository: Path) -> None:
    pants_that(
        repository,
        "cat >&2 <<'EOF'\n"
        "DependencyRuleActionDeniedError: src/python/x/cli.py:lib has 1 dependency violation:"
        "\n\n"
        "  * src/python/x/BUILD[!*] -> 3rdparty/python/BUILD[*] : DENY\n"
        "    python_sources src/python/x/cli.py:lib -> "
        "python_requirements 3rdparty/python:api#ray\n"
        "EOF\nexit 1",
    )
    [violation] = pants.check_pants(repository)[0]
    assert violation.place == "python_sources src/python/x/cli.py:lib"
    assert violation.says == "must not depend on python_requirements 3rdparty/python:api#ray"


def test_pants_that_fails_for_another_reason_is_no_verdict(repository: Path) -> None:
    pants_that(repository, "echo the disk is full >&2; exit 1")
    with pytest.raises(BoundaryError, match="the disk is full"):
        pants.check_pants(repository)
