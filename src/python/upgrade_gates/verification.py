"""Running the checks of a command: each finding is kept, shown, and counted."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from upgrade_gates.checklist.gates import line_with_id
from upgrade_gates.evidence.statement import Figure, Verdict
from upgrade_gates.evidence.store import Finding
from upgrade_gates.session import Session, utc_now

EXIT_NOT_HELD = 1
"""What was asked does not hold."""

STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_CHECKABLE: "magenta",
}


@dataclass
class Verification:
    """The findings of one command.

    Subjects of a finding are the artefacts that its line binds, as they are when the finding is
    added; a command adds others, such as a file that was given to it.
    """

    session: Session
    started_at: datetime.datetime = field(default_factory=utc_now)
    findings: list[Finding] = field(default_factory=list)

    def add(
        self,
        check: str,
        verdict: Verdict,
        reason: str,
        *,
        figures: Mapping[str, Figure] | None = None,
        output: str = "",
        subjects: Mapping[str, str] | None = None,
    ) -> None:
        """Take what one check found.

        Args:
            check: the line's id.
            reason: one sentence: what was seen and, where it is not well, what to do.
            figures: what was measured; names end with their unit.
            output: raw output.
            subjects: further artefacts, sha256 by name; these go before the line's own.
        """
        line = line_with_id(check)
        bound = self.session.artefacts.digests(line.binds)
        self.findings.append(
            Finding(
                check=check,
                verdict=verdict,
                reason=reason,
                started_at=self.started_at,
                finished_at=utc_now(),
                subjects={**bound, **(subjects or {})},
                figures=figures or {},
                output=output,
            )
        )

    def finish(self, *, as_json: bool) -> None:
        """Keep the findings, show them, and end the program.

        Raises:
            typer.Exit: with 0 only if every finding is a pass.
            EvidenceUnusable: they cannot be kept.
        """
        records = self.session.store.append(self.findings, command=typed_command())
        if as_json:
            typer.echo(json.dumps([json.loads(each.statement.to_json()) for each in records]))
        else:
            console = Console()
            console.print(_table(self.findings))
            names = dict.fromkeys(each.file.name for each in (*records[:1], *records[-1:]))
            shown = " to ".join(names) or "none"
            typer.echo(f"\nEvidence: {shown}, in {self.session.workspace.evidence}")
        raise typer.Exit(0 if self.holds else EXIT_NOT_HELD)

    @property
    def holds(self) -> bool:
        """Whether every finding is a pass."""
        return all(finding.verdict is Verdict.PASS for finding in self.findings)


def typed_command() -> tuple[str, ...]:
    """Return what the operator typed. No option of ours takes a secret: variables hold them."""
    return ("upgrade_gates", *sys.argv[1:])


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(show_edge=False, show_header=False, expand=True)
    table.add_column("verdict", no_wrap=True, width=len(Verdict.NOT_CHECKABLE))
    table.add_column("what was seen", ratio=1, overflow="fold")
    table.add_column("id", no_wrap=True)
    for finding in findings:
        # Text, and not str: rich would take brackets for its own markup.
        verdict = Text(finding.verdict.replace("_", " "), style=STYLES[finding.verdict])
        table.add_row(verdict, Text(finding.reason), Text(finding.check))
    return table
