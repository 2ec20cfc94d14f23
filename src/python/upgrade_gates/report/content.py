"""What a report says, before it is written in any form."""

from __future__ import annotations

import datetime
import platform
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from upgrade_gates.artefacts import FILES, CurrentArtefacts
from upgrade_gates.context import UpgradeContext
from upgrade_gates.evidence.chain import Chain, Damage, Record
from upgrade_gates.evidence.statement import Figure
from upgrade_gates.parity.line import LINE as PARITY
from upgrade_gates.serving.baseline import LATENCY, THROUGHPUT
from upgrade_gates.status.state import GateStatus, LineStatus, State
from upgrade_gates.status.todo import Todo, todos
from upgrade_gates.status.view import summary


@dataclass(frozen=True)
class Baseline:
    """Figures of one baseline run."""

    at: datetime.datetime
    verdict: str
    figures: dict[str, Figure]

    def number(self, name: str) -> float | None:
        """Return a figure, if it was measured."""
        value = self.figures.get(name)
        return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class Artefact:
    """A file of the upgrade as it is now. `sha256` is None where it is not there."""

    name: str
    path: str
    sha256: str | None


@dataclass(frozen=True)
class Parity:
    """The last comparison of the new engine's answers with the old one's.

    Attributes:
        reason: the verdict in a sentence.
        text: causes, figures, and examples with what differs marked.
    """

    at: datetime.datetime
    verdict: str
    reason: str
    figures: dict[str, Figure]
    text: str


@dataclass(frozen=True)
class Content:
    """Everything that a report says.

    Attributes:
        verdict: one sentence on whether the upgrade is where it should be.
        wrong: what fails or is stale, each with its reason.
        todos: what is left, in order.
        latencies, throughputs: baselines of the model under test, oldest first.
    """

    made_at: datetime.datetime
    host: str
    verdict: str
    summary: str
    wrong: tuple[LineStatus, ...]
    todos: tuple[Todo, ...]
    context: UpgradeContext
    gates: tuple[GateStatus, ...]
    damages: tuple[Damage, ...]
    artefacts: tuple[Artefact, ...]
    latencies: tuple[Baseline, ...]
    throughputs: tuple[Baseline, ...]
    parity: Parity | None = None


def content(
    context: UpgradeContext,
    chain: Chain,
    artefacts: CurrentArtefacts,
    gates: Sequence[GateStatus],
    now: datetime.datetime,
) -> Content:
    """Collect what a report says."""
    model = context.serving.model if context.serving else None
    return Content(
        made_at=now,
        host=f"{socket.gethostname()} ({platform.system()} {platform.release()})",
        verdict=_verdict(gates, chain.damages),
        summary=summary(gates),
        wrong=tuple(_wrong(gates)),
        todos=tuple(todos(gates)),
        context=context,
        gates=tuple(gates),
        damages=chain.damages,
        artefacts=tuple(_artefacts(artefacts)),
        latencies=_baselines(chain.records, LATENCY, model),
        throughputs=_baselines(chain.records, THROUGHPUT, model),
        parity=_parity(chain.records),
    )


def _verdict(gates: Sequence[GateStatus], damages: Sequence[Damage]) -> str:
    """Return whether the upgrade is where it should be, and if not, what counts most."""
    if damages:
        return f"Do not rely on this evidence. Damaged: {len(damages)}, named below."
    failing = [line.line.id for line in _wrong(gates) if line.state is State.FAILING]
    if failing:
        return f"Not ready. Failing: {len(failing)}, the first is {failing[0]}."
    left = todos(gates)
    if left:
        return f"Not ready. Commands left: {len(left)}, the next is: {left[0].command}"
    return "Ready: every line of every gate is shown, of exactly what is there now."


def _wrong(gates: Sequence[GateStatus]) -> list[LineStatus]:
    """Return the lines that fail, and then those that are stale."""
    return [
        line
        for state in (State.FAILING, State.STALE)
        for status in gates
        for line in status.lines
        if line.state is state and not line.line.parts
    ]


def _artefacts(artefacts: CurrentArtefacts) -> list[Artefact]:
    return [
        Artefact(name, str(path), artefacts.digest(name))
        for name in FILES
        if (path := artefacts.path(name)) is not None
    ]


def _parity(records: Sequence[Record]) -> Parity | None:
    last = next((each for each in reversed(records) if each.check == PARITY), None)
    if last is None:
        return None
    found = last.statement.predicate
    text = found.output.text or f"The record's output is in output/{found.output.sha256}.txt."
    return Parity(found.finished_at, found.verdict, found.reason, found.figures, text)


def _baselines(records: Sequence[Record], check: str, model: str | None) -> tuple[Baseline, ...]:
    return tuple(
        Baseline(predicate.finished_at, predicate.verdict, predicate.figures)
        for record in records
        if record.check == check
        and (predicate := record.statement.predicate).figures.get("model") == model
        and any(isinstance(figure, float) for figure in predicate.figures.values())
    )
