"""The help of the program, and its page of reference, which is written from it."""

from __future__ import annotations

from datetime import UTC, datetime

from reference_pages.command_page import command_section
from reference_pages.command_tree import from_argparse
from reference_pages.help_rules import problems
from reference_pages.metrics_page import metrics_in, metrics_section
from reference_pages.sections import PAGES, check_section
from vllm_runtime.cli import command_parser
from vllm_runtime.status import State, Status, prometheus_text

PROGRAM = from_argparse(command_parser(), "vllm_runtime")


def test_help_has_examples_units_and_explanations() -> None:
    assert problems(PROGRAM) == []


def test_the_command_reference_is_current() -> None:
    check_section(PAGES / "cli.md", "vllm_runtime", command_section(PROGRAM))


def test_the_metrics_reference_is_current() -> None:
    now = datetime.now(UTC)
    status = Status(
        state=State.READY,
        ready=True,
        since=now,
        model="m",
        engine_port=8001,
        requests_running=0,
        requests_waiting=0,
        last_progress=now,
        versions={},
        config_sha256="",
    )
    metrics = metrics_in(prometheus_text(status))
    assert len(metrics) >= 7
    check_section(PAGES / "metrics.md", "vllm_runtime", metrics_section(metrics))
