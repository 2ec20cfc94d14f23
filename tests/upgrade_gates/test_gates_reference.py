"""The help of the program, and its page of reference, which is written from it."""

from __future__ import annotations

from reference_pages.command_page import command_section
from reference_pages.command_tree import from_typer
from reference_pages.help_rules import problems
from reference_pages.sections import PAGES, check_section
from upgrade_gates.cli import app

PROGRAM = from_typer(app, "upgrade_gates")


def test_help_has_examples_units_and_explanations() -> None:
    assert problems(PROGRAM) == []


def test_the_command_reference_is_current() -> None:
    check_section(PAGES / "cli.md", "upgrade_gates", command_section(PROGRAM))
