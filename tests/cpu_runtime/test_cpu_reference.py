"""The help of the program, and its page of reference, which is written from it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from cpu_runtime.cli import app
from cpu_runtime.engine.served import Served
from cpu_runtime.serving.metrics import Metrics
from reference_pages.command_page import command_section
from reference_pages.command_tree import from_typer
from reference_pages.help_rules import problems
from reference_pages.metrics_page import metrics_in, metrics_section
from reference_pages.sections import PAGES, check_section

PROGRAM = from_typer(app, "cpu_runtime")


def test_help_has_examples_units_and_explanations() -> None:
    assert problems(PROGRAM) == []


def test_the_command_reference_is_current() -> None:
    check_section(PAGES / "cli.md", "cpu_runtime", command_section(PROGRAM))


def test_the_metrics_reference_is_current() -> None:
    metrics = Metrics()
    idle = SimpleNamespace(running=0, waiting=0)
    metrics.add_model(cast(Served, SimpleNamespace(model=SimpleNamespace(name="m"), gate=idle)))
    metrics.count_request("/v1/models", "m", 200)
    found = metrics_in(metrics.text().decode())
    assert len(found) >= 5
    check_section(PAGES / "metrics.md", "cpu_runtime", metrics_section(found))
