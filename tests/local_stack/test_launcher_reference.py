"""The help of the program, and its page of reference, which is written from it."""

from __future__ import annotations

from pathlib import Path

from local_stack.layout import Repository
from local_stack.parser import parser_of
from reference_pages.command_page import command_section
from reference_pages.command_tree import from_argparse
from reference_pages.help_rules import problems
from reference_pages.sections import PAGES, check_section

PROGRAM = from_argparse(parser_of(Repository(Path())), "./querylake")


def test_help_has_examples_units_and_explanations() -> None:
    assert problems(PROGRAM) == []


def test_the_command_reference_is_current() -> None:
    check_section(PAGES / "cli.md", "querylake", command_section(PROGRAM))
