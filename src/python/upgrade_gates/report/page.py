"""A report as one HTML file: no script, no font, nothing from the network."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib import resources

from upgrade_gates.report.content import Content
from upgrade_gates.report.figures import plots
from upgrade_gates.status.state import GateStatus, LineStatus, State

STYLE = "style.css"

CLASSES = {
    State.DONE: "done",
    State.NOT_NEEDED: "idle",
    State.STALE: "stale",
    State.OPEN: "open",
    State.FAILING: "failing",
    State.NOT_CHECKABLE: "blind",
}


def as_page(content: Content) -> str:
    """Return the report."""
    style = resources.files(__package__).joinpath(STYLE).read_text(encoding="utf-8")
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>Upgrade report</title><style>{style}</style></head><body><main>",
            *_body(content),
            "</main></body></html>\n",
        )
    )


def _body(content: Content) -> Iterator[str]:
    yield "<header><h1>Upgrade report</h1>"
    verdict = "done" if content.verdict.startswith("Ready") else "failing"
    yield f'<p class="verdict {verdict}">{escape(content.verdict)}</p>'
    yield f"<p>{escape(content.summary)}</p>"
    yield (
        f'<p class="small">Made {content.made_at:%Y-%m-%d %H:%M} UTC on {escape(content.host)}'
        f"{_about(content)}</p></header>"
    )
    for damage in content.damages:
        yield (
            f'<p class="alarm">Damaged evidence: <code>{escape(damage.record)}</code>: '
            f"{escape(damage.reason)}</p>"
        )
    yield _overview(content)
    yield from _wrong(content)
    yield from _todos(content)
    for gate in content.gates:
        yield from _gate(gate)
    yield from _parity(content)
    yield from _plots(content)
    yield from _artefacts(content)


def _wrong(content: Content) -> Iterator[str]:
    if not content.wrong:
        return
    yield '<section><h2>What is wrong</h2><ul class="lines">'
    for line in content.wrong:
        yield (
            f'<li><span class="chip {CLASSES[line.state]}">{escape(line.state)}</span>'
            f'<div><p><a href="#gate-{line.line.id[0]}">{escape(line.line.text)}</a> '
            f'<code class="id">{escape(line.line.id)}</code></p>'
            f'<p class="why">{escape(line.why)}</p></div></li>'
        )
    yield "</ul></section>"


def _todos(content: Content) -> Iterator[str]:
    if not content.todos:
        return
    yield '<section><h2>What is left, in order</h2><ol class="todos">'
    for todo in content.todos:
        ids = ", ".join(line.line.id for line in todo.lines)
        plan = next((line.line.plan for line in todo.lines if line.line.plan), "")
        person = f'<p class="why">A person: {escape(plan)}</p>' if plan else ""
        yield (
            f'<li><code>{escape(todo.command)}</code> <span class="chip {CLASSES[todo.state]}">'
            f'{escape(todo.state)}</span><p class="why">{escape(ids)}</p>{person}</li>'
        )
    yield "</ol></section>"


def _about(content: Content) -> str:
    context = content.context
    said = [f"matrix {context.matrix}"] if context.matrix else []
    said += [f"owner of the driver step: {context.owner}"] if context.owner else []
    said += [f"engine {context.serving.url}, {context.serving.model}"] if context.serving else []
    return "".join(f" · {escape(each)}" for each in said)


def _overview(content: Content) -> str:
    items = "".join(
        f'<li class="{_gate_class(gate)}"><a href="#gate-{gate.gate.number}">'
        f"<b>{gate.gate.number}</b><span>{escape(_gate_word(gate))}</span></a></li>"
        for gate in content.gates
    )
    return f'<nav><ol class="overview">{items}</ol></nav>'


def _worst(status: GateStatus) -> State:
    order = list(State)
    return min((line.state for line in status.lines), key=order.index)


def _gate_class(status: GateStatus) -> str:
    return CLASSES[State.DONE] if status.holds else CLASSES[_worst(status)]


def _gate_word(status: GateStatus) -> str:
    return "holds" if status.holds else str(_worst(status))


def _parity(content: Content) -> Iterator[str]:
    found = content.parity
    if found is None:
        return
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str('-' if value is None else value))}</dd>"
        for name, value in found.figures.items()
    )
    yield (
        f"<section><h2>Answer parity</h2><p><b>{escape(found.verdict)}</b> "
        f"({found.at:%Y-%m-%d %H:%M}): {escape(found.reason)}</p>"
        f'<dl class="artefacts">{rows}</dl><pre class="parity">{_with_marks(found.text)}</pre>'
        "</section>"
    )


def _with_marks(text: str) -> str:
    """Return a text as HTML, with the brackets of `side_by_side.marked` as marks."""
    return escape(text).replace("⟦", "<mark>").replace("⟧", "</mark>")


def _plots(content: Content) -> Iterator[str]:
    found, lacking = plots(content.latencies, content.throughputs)
    if not found and not content.latencies:
        return
    model = content.context.serving.model if content.context.serving else ""
    yield f'<section><h2>Baselines of {escape(model)}</h2><div class="plots">'
    for plot in found:
        heading = f"<figcaption>{escape(plot.heading)}</figcaption>"
        yield f"<figure>{heading}{plot.svg}{plot.legend}</figure>"
    yield "</div>"
    for each in lacking:
        yield f'<p class="small">{escape(each)}</p>'
    yield "</section>"


def _gate(status: GateStatus) -> Iterator[str]:
    number = status.gate.number
    yield (
        f'<section id="gate-{number}"><h2>Gate {number}: {escape(status.gate.title)} '
        f'<span class="chip {_gate_class(status)}">{escape(_gate_word(status))}</span></h2>'
    )
    yield '<ul class="lines">'
    parts = {part for line in status.gate.lines for part in line.parts}
    for line in status.lines:
        yield _line(line, inner=line.line.id in parts)
    yield "</ul></section>"


def _line(status: LineStatus, *, inner: bool) -> str:
    why = f'<p class="why">{escape(status.why)}</p>' if status.why else ""
    todo = (
        f"<p><code>{escape(status.line.command)}</code></p>"
        if status.line.command and not status.holds
        else ""
    )
    return (
        f'<li class="{"inner" if inner else ""}">'
        f'<span class="chip {CLASSES[status.state]}">{escape(status.state)}</span>'
        f'<div><p>{escape(status.line.text)} <code class="id">{escape(status.line.id)}</code></p>'
        f"{why}{todo}{_evidence(status)}</div></li>"
    )


def _evidence(status: LineStatus) -> str:
    record = status.record
    if record is None:
        return ""
    predicate = record.statement.predicate
    figures = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>"
        for name, value in predicate.figures.items()
    )
    subjects = "".join(
        f"<dt>{escape(name)}</dt><dd><code>{digest}</code></dd>"
        for name, digest in record.statement.digests().items()
    )
    return (
        f"<details><summary>{escape(record.file.name)}, "
        f"{predicate.finished_at:%Y-%m-%d %H:%M} UTC</summary><dl>"
        f"<dt>ran</dt><dd><code>{escape(' '.join(predicate.command))}</code></dd>"
        f"<dt>on</dt><dd>{escape(predicate.host.name)}</dd>"
        f"<dt>record</dt><dd><code>{record.sha256}</code></dd>{subjects}{figures}</dl></details>"
    )


def _artefacts(content: Content) -> Iterator[str]:
    if not content.artefacts:
        return
    yield '<section><h2>Artefacts</h2><dl class="artefacts">'
    for each in content.artefacts:
        yield (
            f"<dt>{escape(each.name)}</dt><dd>{escape(each.path)}<br>"
            f"<code>{each.sha256 or 'not there'}</code></dd>"
        )
    yield "</dl></section>"
