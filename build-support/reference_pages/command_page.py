"""The section of docs/reference/cli.md on one program."""

from __future__ import annotations

from collections.abc import Iterator

from reference_pages.command_tree import Command, Option


def command_section(program: Command) -> str:
    """Return the section in Markdown."""
    return "\n".join(_lines(program)).rstrip() + "\n"


def _lines(program: Command) -> Iterator[str]:
    for command in program.walk():
        depth = min(len(command.words) + 1, 4)
        yield f"{'#' * depth} {' '.join(command.words)}"
        yield ""
        yield "```text"
        yield from (line.rstrip() for line in command.text.splitlines())
        yield "```"
        yield ""
        if command.commands:
            yield "Commands: " + ", ".join(f"`{each.words[-1]}`" for each in command.commands) + "."
            yield ""
        if command.options:
            yield "| option | default | meaning |"
            yield "|---|---|---|"
            yield from map(_row, command.options)
            yield ""


def _row(option: Option) -> str:
    typed = ", ".join(
        f"`{_cell(' '.join(filter(None, (each, option.value))))}`" for each in option.names
    )
    default = (
        "required" if option.required else f"`{_cell(option.default)}`" if option.default else ""
    )
    return f"| {typed} | {default} | {_cell(' '.join(option.help.split()))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
