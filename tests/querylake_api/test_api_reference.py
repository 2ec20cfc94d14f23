"""The help of the program, and its page of reference, which is written from it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import querylake_api
from api_reference.metric_calls import declared_metrics
from api_reference.settings_page import EXAMPLE, settings_section
from querylake_api.cli import app
from querylake_api.settings import Settings
from querylake_api_testing.running import RunningApi
from reference_pages.command_page import command_section
from reference_pages.command_tree import from_typer
from reference_pages.help_rules import problems
from reference_pages.metrics_page import metrics_section
from reference_pages.sections import PAGES, check_section

METRICS = declared_metrics(Path(querylake_api.__path__[0]))
PROGRAM = from_typer(app, "querylake_api")


def test_help_has_examples_units_and_explanations() -> None:
    assert problems(PROGRAM) == []


def test_the_command_reference_is_current() -> None:
    check_section(PAGES / "cli.md", "querylake_api", command_section(PROGRAM))


def test_the_settings_reference_is_current_and_its_example_is_valid() -> None:
    example = EXAMPLE.read_text(encoding="utf-8")
    Settings(**tomllib.loads(example))
    check_section(PAGES / "configuration.md", "settings", settings_section(Settings, example))


def test_the_metrics_reference_is_current() -> None:
    check_section(PAGES / "metrics.md", "querylake_api", metrics_section(METRICS))


async def test_the_metrics_reference_has_what_the_api_reports(api: RunningApi) -> None:
    text = (await api.client.get("/metrics")).text
    reported = set(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert {(each.name, each.kind) for each in METRICS} == reported
