"""How a verdict is shown: on a terminal, as JSON, and as the raw output of evidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from answer_parity.side_by_side import Example, Segment, marked
from answer_parity.verdict import Measurements, Standing, Verdict

EXAMPLES = 5
"""How many are shown side by side."""

_STYLES = {Standing.EQUIVALENT: "bold green", Standing.DIFFERENT: "bold red"}


def show_verdict(verdict: Verdict, versions: Mapping[str, str | None]) -> None:
    """Print a verdict, what it rests on, and some of what differs, side by side."""
    console = Console()
    console.print(Text(verdict.sentence, style=_STYLES.get(verdict.standing, "bold yellow")))
    for line in _lines(verdict, versions):
        console.print(Text(line))
    for example in examples(verdict):
        console.print(_beside(example))


def as_text(verdict: Verdict, versions: Mapping[str, str | None]) -> str:
    """Return the same as plain text."""
    lines = [verdict.sentence, *_lines(verdict, versions)]
    for example in examples(verdict):
        old, new = example.segments()
        lines += ["", f"{example.name}, old:", marked(old), f"{example.name}, new:", marked(new)]
    return "\n".join(lines)


def as_document(
    verdict: Verdict, measured: Measurements, versions: Mapping[str, str | None]
) -> dict[str, Any]:
    """Return a verdict with all figures, for programs."""
    return {
        "standing": verdict.standing,
        "sentence": verdict.sentence,
        "causes": verdict.causes,
        "findings": [dataclasses.asdict(finding) for finding in verdict.findings],
        "notices": [dataclasses.asdict(notice) for notice in verdict.notices],
        "remedies": verdict.remedies,
        "not_measured": verdict.not_measured,
        "divergence": {
            name: None if (found := getattr(measured, name)) is None else dataclasses.asdict(found)
            for name in ("alone", "in_batch", "noise")
        },
        "vectors": None if measured.vectors is None else dataclasses.asdict(measured.vectors),
        "rankings": measured.rankings,
        "prompts": measured.shapes,
        "probes": measured.probes,
        "versions": dict(versions),
    }


def examples(verdict: Verdict) -> list[Example]:
    """Return the first examples of what differs."""
    found = [finding.example for finding in verdict.findings if finding.example is not None]
    return found[:EXAMPLES]


def _lines(verdict: Verdict, versions: Mapping[str, str | None]) -> Iterator[str]:
    for finding in verdict.findings:
        yield f"  {finding.cause}: {finding.probe}: {finding.says}"
    for remedy in verdict.remedies:
        yield f"  -> {remedy}"
    for notice in verdict.notices:
        yield f"Notice: {notice.probe}: {notice.says}; the protocol leaves it open"
    for lacking in verdict.not_measured:
        yield f"Not measured: {lacking}"
    told = ", ".join(f"{name} {version or 'unknown'}" for name, version in versions.items())
    yield f"Versions: {told}"


def _beside(example: Example) -> Table:
    table = Table("old", "new", title=Text(f"{example.name}: what differs is marked"), expand=True)
    table.add_row(*map(_styled, example.segments()))
    return table


def _styled(segments: Sequence[Segment]) -> Text:
    # Text, and not str: rich would take brackets for its own markup.
    text = Text()
    for each in segments:
        text.append(each.text, style="bold reverse" if each.differs else "")
    return text
