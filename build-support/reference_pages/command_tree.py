"""The commands of a program, read from its parser: Typer's or argparse's."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import typer
from typer.core import TyperArgument, TyperGroup


@dataclass(frozen=True)
class Option:
    """An option or a positional argument.

    Attributes:
        names: as they are typed; one in capitals for an argument.
        value: the placeholder of its value; empty for a flag.
        default: as help shows it; empty for none.
        number: whether its value is a number.
    """

    names: tuple[str, ...]
    value: str
    help: str
    default: str
    required: bool
    number: bool


@dataclass(frozen=True)
class Command:
    """A command, or a group of commands.

    Attributes:
        words: the program and what is typed after it.
        text: the whole description, examples included.
        short_help: whether `-h` is help.
        takes_markup: whether text in brackets would be taken for markup, and not shown.
    """

    words: tuple[str, ...]
    text: str
    options: tuple[Option, ...]
    commands: tuple[Command, ...]
    short_help: bool = True
    takes_markup: bool = False

    def walk(self) -> Iterator[Command]:
        """Give this command and all below it."""
        yield self
        for command in self.commands:
            yield from command.walk()


def from_typer(app: typer.Typer, program: str) -> Command:
    """Read the commands of a Typer application."""
    root: Any = typer.main.get_command(app)
    short = "-h" in root.context_settings.get("help_option_names", ())
    return _typer_command(root, (program,), short)


def _typer_command(found: Any, words: tuple[str, ...], short: bool) -> Command:
    inner = found.commands if isinstance(found, TyperGroup) else {}
    text = "\n\n".join(
        each.replace("\b", "").replace("{program}", words[0]).strip()
        for each in (found.help, found.epilog)
        if each
    )
    return Command(
        words,
        text,
        tuple(_typer_option(each) for each in found.params if not getattr(each, "hidden", False)),
        tuple(_typer_command(each, (*words, name), short) for name, each in inner.items()),
        short_help=short,
        takes_markup=found.rich_markup_mode == "rich",
    )


def _typer_option(each: Any) -> Option:
    flag = getattr(each, "is_flag", False)
    kinds = _kinds(each.type_descriptor.annotation)
    choices = [_choice(value) for kind in kinds for value in _choices(kind)]
    value = each.metavar or "|".join(choices) or getattr(kinds[0], "__name__", "value").upper()
    argument = isinstance(each, TyperArgument)
    return Option(
        (
            (value if each.metavar else each.name.upper(),)
            if argument
            else (*each.opts, *each.secondary_opts)
        ),
        "" if flag or argument else value,
        getattr(each, "help", None) or "",
        _typer_default(each),
        each.required,
        any(kind in (int, float) for kind in kinds),
    )


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """Return the types inside an annotation such as `list[Scope] | None`."""
    if get_origin(annotation) is Literal:
        return (annotation,)
    inner = [each for each in get_args(annotation) if each not in (type(None), Ellipsis)]
    return tuple(kind for each in inner for kind in _kinds(each)) or (annotation,)


def _choices(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(kind) if isinstance(kind, type) and issubclass(kind, Enum) else ()


def _choice(value: object) -> str:
    return str(getattr(value, "value", value))


def _typer_default(each: Any) -> str:
    if isinstance(each.show_default, str):
        return each.show_default
    if getattr(each, "is_flag", False) or each.default is None or callable(each.default):
        return ""
    if isinstance(each.default, list | tuple):
        return ", ".join(map(_choice, each.default))
    return _choice(each.default)


def from_argparse(parser: argparse.ArgumentParser, program: str) -> Command:
    """Read the commands of an argparse parser."""
    return _argparse_command(parser, (program,))


def _argparse_command(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Command:
    options: list[Option] = []
    commands: list[Command] = []
    for action in parser._actions:  # argparse has no public way to read a parser
        if isinstance(action, argparse._SubParsersAction):
            summaries = {each.dest: each.help or "" for each in action._choices_actions}
            for name, inner in action.choices.items():
                command = _argparse_command(inner, (*words, name))
                text = command.text or f"{summaries[name][:1].upper()}{summaries[name][1:]}."
                commands.append(Command(command.words, text, command.options, command.commands))
        elif not isinstance(action, argparse._HelpAction | argparse._VersionAction):
            options.append(_argparse_option(action))
    text = "\n\n".join(each.strip() for each in (parser.description, parser.epilog) if each)
    return Command(words, text, tuple(options), tuple(commands))


def _argparse_option(action: argparse.Action) -> Option:
    flag = action.nargs == 0
    said = re.search(r"\(default: (.*)\)", action.help or "")
    placeholder = str(action.metavar or action.dest.upper())
    return Option(
        tuple(action.option_strings) or (placeholder,),
        "" if flag or not action.option_strings else placeholder,
        re.sub(r"\s*\(default: .*\)", "", action.help or ""),
        said.group(1) if said else "",
        action.required and action.nargs != "?",
        action.type in (int, float),
    )
