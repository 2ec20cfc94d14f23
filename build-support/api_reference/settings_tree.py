"""The settings of a configuration file, read from their pydantic models."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

_UNITS = {
    "_seconds": "seconds",
    "_bytes": "bytes",
    "_days": "days",
    "requests_per_minute": "requests/min",
    "tokens_per_minute": "tokens/min",
    "concurrency": "requests",
    "max_queue": "requests",
    "_connections": "connections",
    "workers": "processes",
    "ratio": "fraction",
    "share": "fraction",
    "reserve": "retries",
    "max_attempts": "attempts",
    "failures": "failures",
    "successes": "probes",
    "max_json_values": "values",
    "port": "port",
}
_DEADLINES = frozenset({"connect", "first_byte", "idle", "total"})


@dataclass(frozen=True)
class Setting:
    """One line of a section."""

    name: str
    kind: str
    default: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Section:
    """A table of the file, such as `[server]` or `[[models.NAME.targets]]`."""

    heading: str
    meaning: str
    settings: tuple[Setting, ...]


def sections(model: type[BaseModel]) -> Iterator[Section]:
    """Give all sections of a configuration, in the order of its models."""
    for name, field in model.model_fields.items():
        inner, heading = _inner(field.annotation, name)
        if inner is not None:
            yield from _sections(inner, heading)


def _sections(model: type[BaseModel], heading: str) -> Iterator[Section]:
    summary, meanings = _documented(model)
    settings = []
    below = []
    for name, field in model.model_fields.items():
        inner, inner_heading = _inner(field.annotation, f"{heading.strip('[]')}.{name}")
        if inner is not None:
            below.append((inner, inner_heading))
        else:
            settings.append(_setting(name, field, meanings))
    if settings:
        yield Section(heading, summary, tuple(settings))
    for inner, inner_heading in below:
        yield from _sections(inner, inner_heading)


def _inner(annotation: Any, path: str) -> tuple[type[BaseModel] | None, str]:
    """Return the model inside an annotation, if there is one, and the heading of its section."""
    heading = f"[{path}]"
    for each in _alternatives(annotation):
        if get_origin(each) is dict:
            return _model(get_args(each)[1]), f"[{path}.NAME]"
        if get_origin(each) is list and _model(get_args(each)[0]):
            return _model(get_args(each)[0]), f"[[{path}]]"
        if _model(each):
            return _model(each), heading
    return None, heading


def _model(kind: Any) -> type[BaseModel] | None:
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _alternatives(annotation: Any) -> list[Any]:
    """Return the types of a union without None."""
    if get_origin(annotation) in (None, dict, list, frozenset, Literal):
        return [annotation]
    return [each for each in get_args(annotation) if each is not NoneType]


def _documented(model: type[BaseModel]) -> tuple[str, Mapping[str, str]]:
    """Return the first sentence of a docstring, and what it says of each attribute.

    What a model inherits is documented where it is declared.
    """
    meanings: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            text = inspect.cleandoc(each.__doc__ or "").partition("Attributes:")[2]
            for name, meaning in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", text, re.MULTILINE):
                meanings[name] = " ".join(meaning.split())
    summary = inspect.cleandoc(model.__doc__ or "").partition("\n")[0]
    return re.sub(r"; see `[^`]+`", "", summary), meanings


def _setting(name: str, field: FieldInfo, meanings: Mapping[str, str]) -> Setting:
    return Setting(name, _kind(field), _default(field), _unit(name), meanings.get(name, ""))


def _kind(field: FieldInfo) -> str:
    return " or ".join(_type(each) for each in _alternatives(field.annotation)) + _range(field)


def _type(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f'`"{each}"`' for each in get_args(kind))
    if get_origin(kind) in (list, frozenset):
        return f"list of {_type(get_args(kind)[0])}"
    if get_args(kind):  # what `Annotated` wraps
        return _type(get_args(kind)[0])
    names = {int: "integer", float: "number", bool: "boolean", Path: "path"}
    return names.get(kind, "string")


def _range(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [
        f"{sign} {getattr(each, name)}"
        for each in field.metadata
        for name, sign in signs.items()
        if isinstance(getattr(each, name, None), int | float)
    ]
    return f", {', '.join(limits)}" if limits else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return toml(value)


def toml(value: object) -> str:
    """Return a value as TOML has it."""
    if isinstance(value, frozenset | list | tuple):
        return f"[{', '.join(toml(each) for each in value)}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)


def _unit(name: str) -> str:
    if name in _DEADLINES:
        return "seconds"
    return next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
