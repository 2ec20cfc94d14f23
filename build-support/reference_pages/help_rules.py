"""What the help of every program must have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reference_pages.command_tree import Command, Option

_UNITS = re.compile(
    r"second|minute|hour|day|byte|GiB|token|port|page|pixel|dpi|dots per inch|percent|fraction|"
    r"ratio|process|thread|request|replica|record|CPU|core|run|parallel|number of|at most|share|"
    r"times|characters|samples|pairs|prompts|attempts|probability|gate|limit|maximum|tolerance",
    re.IGNORECASE,
)


def problems(program: Command) -> list[str]:
    """Return what is missing in a program's help, a sentence each; empty if nothing is."""
    return list(_problems(program))


def _problems(program: Command) -> Iterator[str]:
    if "example" not in _all_text(program).lower():
        yield f"{program.words[0]}: no help has an example"
    for command in program.walk():
        where = " ".join(command.words)
        if not command.text:
            yield f"{where}: does not say what it does"
        if not command.short_help:
            yield f"{where}: does not take -h"
        if command.takes_markup:
            yield f"{where}: [brackets] in its help would be taken for markup and not be shown"
        for option in command.options:
            yield from (f"{where} {option.names[0]}: {each}" for each in _of_option(option))


def _of_option(option: Option) -> Iterator[str]:
    if not option.help:
        yield "has no help"
    if option.number and not _UNITS.search(f"{option.value} {option.help}"):
        yield f"is a number without a unit: {option.help!r}"


def _all_text(program: Command) -> str:
    return " ".join(command.text for command in program.walk())
