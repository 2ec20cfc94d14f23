"""The benchmark's own faults do what they say, and its tables say what was measured."""

from __future__ import annotations

from typing import Any

import pytest

from answer_parity.causes import Cause
from answer_parity.shapes import CONTINUATIONS
from answer_parity.verdict import Verdict, judge
from parity_benchmark import faults
from parity_benchmark.faults import Fault, FaultyTransport
from parity_benchmark.power import table
from parity_benchmark.report import markdown
from parity_benchmark.trials import full_plan, short_plan
from upgrade_gates.parity.comparison import Comparison, Plan
from upgrade_gates.parity.engine import Engine
from upgrade_gates_testing.toy_engine import toy_engine

PLAN = Plan([{"messages": [{"role": "user", "content": text}]} for text in CONTINUATIONS[:16]])


async def compared(fault: Fault) -> Verdict:
    """Compare a toy engine with itself behind a fault."""
    async with toy_engine() as engine:
        old = Engine("old", engine.url, None, None, 60, FaultyTransport(Fault()))
        new = Engine("new", engine.url, None, None, 60, FaultyTransport(fault))
        try:
            return judge(await Comparison(old, new, PLAN, lambda line: None).run())
        finally:
            await old.close()
            await new.close()


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (faults.without_structure(), Cause.STRUCTURED_OUTPUT),
        (faults.calls_in_text(), Cause.TOOL_PARSER),
        (faults.with_fields(temperature=0.4), Cause.SAMPLING_DEFAULTS),
    ],
    ids=["structure", "tools", "sampling"],
)
async def test_a_fault_on_the_way_is_found(fault: Fault, cause: Cause) -> None:
    assert (await compared(fault)).causes[0] is cause


async def test_without_a_fault_nothing_is_found() -> None:
    assert (await compared(Fault())).causes == ()


def test_a_page_is_mixed_up_only_under_load() -> None:
    tokens = list(range(40))
    for under_way in (1, 3, 4):
        body = {"prompt": tokens}
        faults.corrupt_under_load().request("/v1/completions", body, under_way)
        assert (body["prompt"] == tokens) == (under_way < faults.LOAD)
        assert sorted(body["prompt"]) == tokens


def test_runs_differ_by_their_seed() -> None:
    assert short_plan(1) == short_plan(1)
    assert short_plan(1).prompts != short_plan(2).prompts
    assert len(full_plan(1).probes) > 10


def row(kind: str, standing: str, causes: list[str], **more: Any) -> dict[str, Any]:
    estimate = {"value": 0.001}
    figures = {"alone": estimate, "in_batch": None, "requests": 20, "generating": 9}
    return {
        "kind": kind,
        "pair": "p",
        "standing": standing,
        "causes": causes,
        "seconds": 7.0,
        **figures,
        **more,
    }


def test_the_tables_count_what_was_found() -> None:
    cause = Cause.TEMPLATE.value
    rows = [
        row("sound", "equivalent", []),
        row("sound", "different", [cause]),
        row("fault", "different", [cause], expected=cause),
        row("fault", "not decided", [], expected=cause),
    ]
    text = markdown(rows)
    assert "| p | 2 | 1 | 1 | 0 | 0.001 (0.001) | not measured | 20 | 7 |" in text
    assert f"| p | 2 | 1 | 1 | {cause} | 20, 9 | 7 |" in text


def test_power_has_a_line_for_each_share() -> None:
    lines = list(table(1))
    assert lines[2].startswith("| 0% | 1 | 0 |")
    assert lines[-1].startswith("| 100% | 1 | 1 | 0 |")
