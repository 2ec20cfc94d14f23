"""The section of docs/reference/configuration.md on the settings."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from api_reference.settings_tree import Section, Setting, sections, toml

EXAMPLE = Path("docs/reference/querylake.example.toml")
"""A configuration with every setting, from which the page takes its examples."""


def settings_section(model: type[BaseModel], example: str) -> str:
    """Return the section in Markdown.

    Raises:
        LookupError: a setting is not in the example, or has no meaning in its docstring.
    """
    document = tomllib.loads(example)
    return "\n".join(_lines(model, document)).rstrip() + "\n"


def _lines(model: type[BaseModel], example: dict[str, object]) -> Iterator[str]:
    for section in sections(model):
        yield f"## `{section.heading}`"
        yield ""
        yield section.meaning
        yield ""
        yield "| setting | type | default | unit | example | meaning |"
        yield "|---|---|---|---|---|---|"
        values = _example_of(section, example)
        for setting in section.settings:
            yield _row(section, setting, values)
        yield ""


def _row(section: Section, setting: Setting, values: dict[str, object]) -> str:
    if not setting.meaning:
        raise LookupError(f"{section.heading} {setting.name}: say what it means in its docstring")
    if setting.name not in values:
        raise LookupError(f"{section.heading} {setting.name}: add it to {EXAMPLE}")
    default = setting.default if setting.default in ("required", "none") else f"`{setting.default}`"
    cells = (
        f"`{setting.name}`",
        setting.kind,
        default,
        setting.unit,
        f"`{toml(values[setting.name])}`",
        f"{setting.meaning[:1].upper()}{setting.meaning[1:]}",
    )
    return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"


def _example_of(section: Section, example: dict[str, object]) -> dict[str, object]:
    """Return the table of the example that has this heading; the first of several."""
    found: object = example
    for word in section.heading.strip("[]").split("."):
        if isinstance(found, dict):
            found = next(iter(found.values()), {}) if word == "NAME" else found.get(word, {})
        if isinstance(found, list):
            found = found[0]
    return found if isinstance(found, dict) else {}
