"""Help: `-h` everywhere, every option explained, nothing wider than a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from upgrade_gates.cli import app
from upgrade_gates_testing.process import run


def commands(found: object, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give every command and group by its words."""
    yield names
    if isinstance(found, TyperGroup):
        for name, inner in found.commands.items():
            yield from commands(inner, (*names, name))


@pytest.mark.parametrize("words", [*commands(typer.main.get_command(app))], ids=" ".join)
def test_help_of_every_command_fits_a_terminal(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run(tmp_path, *words, "-h", COLUMNS="80", NO_COLOR="1")
    assert done.returncode == 0
    assert " ".join(("Usage: upgrade_gates", *words)) in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_every_option_is_explained() -> None:
    unexplained = []
    for words in commands(typer.main.get_command(app)):
        found: object = typer.main.get_command(app)
        for word in words:
            assert isinstance(found, TyperGroup)
            found = found.commands[word]
        assert isinstance(found, TyperCommand | TyperGroup)
        unexplained += [(words, each.name) for each in found.params if not vars(each).get("help")]
    assert unexplained == []


def test_brackets_and_defaults_are_shown(tmp_path: Path) -> None:
    text = run(tmp_path, "serving", "verify", "--help", COLUMNS="140", NO_COLOR="1").stdout
    for shown in ("[default: 60.0]", "[default: 1.25]", "RATIO", "SECONDS", "Example:"):
        assert shown in text
