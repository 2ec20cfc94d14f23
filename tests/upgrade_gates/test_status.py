"""What an operator sees at 2 a.m.: one screen, with the next command."""

from __future__ import annotations

from pathlib import Path

from upgrade_gates.checklist.gates import GATES, LINES
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.session import Session
from upgrade_gates_testing.process import run
from upgrade_gates_testing.workspaces import finding, make_workspace

ROWS, COLUMNS = 24, 80
LONG = "a reason that goes on and on, " * 40
CONTEXT = """\
matrix = "B"
owner = "Ada Lovelace-Byron of the platform operations team"
[serving]
url = "http://gpu1.example:8011/v1"
model = "a-model-with-a-rather-long-name-7b-instruct"
[old]
url = "http://gpu1.example:8001/v1"
model = "m"
[api]
url = "http://api.example:8000"
model = "m"
embeddings_model = "e"
rerank_model = "r"
ocr = true
[ray]
dashboard = "http://head.example:8265"
"""


def record(session: Session, line: str, verdict: Verdict, reason: str = "seen") -> None:
    subjects = session.artefacts.digests(LINES[line].binds)
    session.store.append([finding(line, verdict, reason=reason, subjects=subjects)], command=["x"])


def screen(folder: Path) -> list[str]:
    shown = run(folder, "status", COLUMNS=str(COLUMNS))
    assert (shown.returncode, shown.stderr) == (1, "")
    lines = shown.stdout.splitlines()
    assert len(lines) < ROWS
    assert max(map(len, lines)) <= COLUMNS, [line for line in lines if len(line) > COLUMNS]
    return lines


def test_a_new_upgrade_fits_a_screen_and_begins_with_the_matrix(tmp_path: Path) -> None:
    make_workspace(tmp_path, CONTEXT)
    lines = screen(tmp_path)
    assert lines[1].startswith("Gates  0 open  1 open")
    assert "Next: upgrade_gates choose-matrix --matrix A|B" in lines
    left = [line.partition("$ ")[2] for line in lines if "  $ " in line]
    assert left[:4] == [
        "upgrade_gates choose-matrix --matrix A|B",
        "upgrade_gates choose-matrix --window START/END",
        "upgrade_gates choose-matrix --owner NAME",
        "upgrade_gates record  (8 lines)",
    ]


def test_the_worst_case_fits_a_screen(tmp_path: Path) -> None:
    session = make_workspace(tmp_path, CONTEXT)
    for line in (line for gate in GATES for line in gate.lines if not line.parts):
        record(session, line.id, Verdict.FAIL, LONG)
    for number in (1, 2, 3, 4):
        (file,) = session.workspace.evidence.glob(f"{number:06}-*.json")
        file.write_text("{}")
    lines = screen(tmp_path)
    assert sum("Damaged evidence" in line for line in lines) == 2
    assert any("and 2 more: upgrade_gates evidence verify" in line for line in lines)


def test_the_next_command_is_told_with_its_reason(tmp_path: Path) -> None:
    session = make_workspace(tmp_path)
    for line in (line for gate in GATES[:3] for line in gate.lines if not line.parts):
        if not line.optional:
            record(session, line.id, Verdict.PASS)
    record(session, "2.sanity.vllm", Verdict.FAIL, "vLLM does not import: no module named vllm")
    lines = screen(tmp_path)
    assert "Gates  0 stale" in lines[1] or "Gates  0 holds" in lines[1]
    at = lines.index("Next: upgrade_gates runtime verify")
    assert "vLLM does not import" in lines[at + 2]
    assert "  2  failing        $ upgrade_gates runtime verify" in lines


def test_all_lines_on_demand(tmp_path: Path) -> None:
    make_workspace(tmp_path, CONTEXT)
    shown = run(tmp_path, "status", "--all")
    assert shown.returncode == 1
    assert all(line in shown.stdout for line in LINES)
