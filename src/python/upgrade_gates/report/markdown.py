"""A report as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from upgrade_gates.report.content import Baseline, Content
from upgrade_gates.serving.baseline import CONCURRENCIES
from upgrade_gates.status.state import GateStatus, LineStatus


def as_markdown(content: Content) -> str:
    """Return the report."""
    return "\n".join(_lines(content)) + "\n"


def _lines(content: Content) -> Iterator[str]:
    yield "# Upgrade report"
    yield ""
    yield f"**{_cell(content.verdict)}**"
    yield ""
    yield f"Made {content.made_at:%Y-%m-%d %H:%M} UTC on {_cell(content.host)}. {content.summary}"
    for damage in content.damages:
        yield ""
        yield f"**Damaged evidence**: `{damage.record}`: {damage.reason}"
    yield from _wrong_and_left(content)
    for gate in content.gates:
        yield from _gate(gate)
    yield from _baselines(content)
    yield from _parity(content)
    if content.artefacts:
        yield from ("", "## Artefacts", "", "| name | sha256 | path |", "|---|---|---|")
    for artefact in content.artefacts:
        yield f"| {artefact.name} | `{artefact.sha256 or 'not there'}` | `{artefact.path}` |"


def _wrong_and_left(content: Content) -> Iterator[str]:
    if content.wrong:
        yield from ("", "## What is wrong", "")
    for line in content.wrong:
        yield f"- **{line.state}** {line.line.id}: {_cell(line.line.text)}. {_cell(line.why)}"
    if content.todos:
        yield from ("", "## What is left, in order", "")
    for number, todo in enumerate(content.todos, 1):
        ids = ", ".join(line.line.id for line in todo.lines)
        yield f"{number}. `{todo.command}` ({todo.state}: {ids})"


def _gate(status: GateStatus) -> Iterator[str]:
    held = "holds" if status.holds else "does not hold"
    yield from ("", f"## Gate {status.gate.number}: {status.gate.title} ({held})", "")
    yield from ("| line | state | what is true | evidence |", "|---|---|---|---|")
    for line in status.lines:
        yield _line(line)


def _line(status: LineStatus) -> str:
    record = f"`{status.record.file.name}`" if status.record else ""
    what = _cell(f"{status.line.text}. {status.why}" if status.why else status.line.text)
    return f"| {status.line.id} | {status.state} | {what} | {record} |"


def _baselines(content: Content) -> Iterator[str]:
    if not content.latencies:
        return
    model = content.context.serving.model if content.context.serving else ""
    yield from ("", f"## Baselines of {_cell(model)}", "")
    rates = " | ".join(f"tokens/s at {level}" for level in CONCURRENCIES)
    yield f"| when | verdict | TTFT p50, p95 (ms) | between tokens p50, p95 (ms) | {rates} |"
    yield "|---|---|---|---|" + "---|" * len(CONCURRENCIES)
    by_time = {each.at.replace(microsecond=0): each for each in content.throughputs}
    for each in content.latencies:
        rate = by_time.get(each.at.replace(microsecond=0))
        yield (
            f"| {each.at:%Y-%m-%d %H:%M} | {each.verdict} | {_pair(each, 'ttft')} | "
            f"{_pair(each, 'inter_token')} | "
            + " | ".join(_number(rate, f"tokens_per_second_c{level}") for level in CONCURRENCIES)
            + " |"
        )


def _parity(content: Content) -> Iterator[str]:
    found = content.parity
    if found is None:
        return
    yield from ("", "## Answer parity", "")
    yield f"**{found.verdict}** ({found.at:%Y-%m-%d %H:%M}): {_cell(found.reason)}"
    yield from ("", "| measured | value |", "|---|---|")
    for name, value in found.figures.items():
        yield f"| {name} | {_cell(str('-' if value is None else value))} |"
    yield ""
    # Indented: texts of models hold every other mark of code.
    yield from (f"    {line}" for line in found.text.splitlines())


def _pair(baseline: Baseline, name: str) -> str:
    return ", ".join(_number(baseline, f"{name}_p{share}_c1_ms") for share in (50, 95))


def _number(baseline: Baseline | None, name: str) -> str:
    value = None if baseline is None else baseline.number(name)
    return "-" if value is None else f"{value:g}"


def _cell(text: str) -> str:
    """Return text that no table takes for its own marks."""
    return " ".join(text.split()).replace("|", "\\|")
