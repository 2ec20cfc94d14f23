"""The operator's document and the program have the same lines, in the same order."""

from __future__ import annotations

import re
from pathlib import Path

from upgrade_gates.checklist.gates import GATES, LINES

DOCUMENT = Path("docs/deps_upgrade/UPGRADE_GATES.md")
_LINE = re.compile(r"^(  )?- \[ \] \*\*([0-9a-z.-]+)\*\* (.*)$", re.MULTILINE)


def test_every_line_is_in_the_document_with_its_command() -> None:
    found = _LINE.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert [line_id for _, line_id, _ in found] == list(LINES)
    parts = {part for line in LINES.values() for part in line.parts}
    for indent, line_id, text in found:
        line = LINES[line_id]
        assert text.startswith(line.text)
        assert (f"`{line.command}`" in text) == bool(line.command)
        assert line.plan in text
        assert bool(indent) == (line_id in parts)


def test_the_gates_have_their_headings() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert "- [x]" not in text
    for gate in GATES:
        assert f"\n## Gate {gate.number}: {gate.title}\n" in text
