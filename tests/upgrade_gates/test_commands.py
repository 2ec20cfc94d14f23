"""The command line, as a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import upgrade_gates.__main__  # noqa: F401 - run as a module
from querylake_version import VERSION

DOCUMENT = """# Upgrade
## Gate 0 - Choose
- [ ] Pick [bold]one[/bold] of A, B
## Gate 1 - Drive
- [x] Reboot
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-P", "-m", "upgrade_gates", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.fixture()
def repository(tmp_path: Path) -> Path:
    """A repository with a document where it usually is."""
    document = tmp_path / "docs" / "deps_upgrade" / "UPGRADE_GATES.md"
    document.parent.mkdir(parents=True)
    document.write_text(DOCUMENT, encoding="utf-8")
    return tmp_path


def test_every_line_is_open_and_that_is_exit_code_1(repository: Path) -> None:
    deeper = repository / "src" / "deep"
    deeper.mkdir(parents=True)
    done = run(deeper, "status")
    assert (done.returncode, done.stderr) == (1, "")
    rows = [line.split() for line in done.stdout.splitlines() if re.search(r" gate\d-", line)]
    assert [row[0] for row in rows] == ["open", "open"]
    assert "Gate 0  Choose" in done.stdout
    assert "Pick [bold]one[/bold] of A, B" in done.stdout
    assert "this version has no checks" in done.stdout


def test_json(repository: Path) -> None:
    done = run(repository, "status", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    assert report["holds"] is False
    assert report["version"] == VERSION
    assert Path(report["document"]).samefile(repository / "docs/deps_upgrade/UPGRADE_GATES.md")
    assert [gate["number"] for gate in report["gates"]] == [0, 1]
    (line,) = report["gates"][1]["lines"]
    assert line.pop("id").startswith("gate1-")
    assert line == {"section": [], "text": "Reboot", "state": "open", "ticked_in_document": True}


def test_a_named_document_goes_before_the_one_of_the_repository(repository: Path) -> None:
    other = repository / "other.md"
    other.write_text("\ufeff# Gate 9\r\n- [ ] only this\r\n", encoding="utf-8")
    report = json.loads(run(repository, "status", "--json", "--document", "other.md").stdout)
    assert [line["text"] for gate in report["gates"] for line in gate["lines"]] == ["only this"]


def test_what_cannot_be_answered_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "latin.md").write_bytes(b"# Gate 1\n\xe9")
    (tmp_path / "empty.md").write_text("# Plan\n- [ ] no gate", encoding="utf-8")
    for arguments, reason in (
        ((), "there is no docs/deps_upgrade/UPGRADE_GATES.md in"),
        (("--document", "absent.md"), "absent.md cannot be read: No such file"),
        (("--document", "latin.md"), "latin.md is not UTF-8 at byte 9"),
        (("--document", "empty.md"), "empty.md has no gates"),
    ):
        done = run(tmp_path, "status", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert reason in done.stderr
        assert done.stderr.count("\n") == 1
    assert run(tmp_path, "status", "--nonsense").returncode == 2


def test_version_and_help(tmp_path: Path) -> None:
    version = run(tmp_path, "--version")
    assert (version.returncode, version.stdout) == (0, f"{VERSION}\n")
    usage = run(tmp_path, "--help")
    assert usage.returncode == 0
    assert "status" in usage.stdout
