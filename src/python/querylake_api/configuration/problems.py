"""Turning what pydantic reports into sentences with a place, a fault and a fix."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from querylake_api.settings import ENV_DELIMITER, ENV_PREFIX, Settings

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SECRET_KEYS = frozenset({"url", "base_url", "runtime_url"})
"""Keys whose wrong value may hold a password and is therefore never repeated."""


def key_path(location: Iterable[str | int]) -> str:
    """Return a location as TOML spells it: `models."qwen2.5-7b".targets[0].upstream`."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else f'"{part}"'
            path += f".{key}" if path else key
    return path


def plain_reason(message: str) -> str:
    """Return pydantic's message without its name for a check of ours."""
    return message.removeprefix("Value error, ")


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return the clause that helps after an unknown word: a near match, or what there is."""
    known = sorted(choices)
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""


def explain(error: ValidationError, environ: Mapping[str, str]) -> list[str]:
    """Return one sentence for each problem that pydantic found."""
    return [_sentence(problem, environ) for problem in error.errors()]


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each variable that looks like a setting but names no section.

    Only names with a double underscore are settings of ours: container platforms invent others,
    such as `QUERYLAKE_SERVICE_HOST`.
    """
    problems = []
    for variable in environ:
        if not variable.upper().startswith(ENV_PREFIX) or ENV_DELIMITER not in variable:
            continue
        section = variable[len(ENV_PREFIX) :].split(ENV_DELIMITER)[0].lower()
        if section not in Settings.model_fields:
            hint = did_you_mean(section, Settings.model_fields)
            problems.append(f"environment variable {variable}: unknown section {section!r}{hint}")
    return problems


def _sentence(problem: ErrorDetails, environ: Mapping[str, str]) -> str:
    location = tuple(part for part in problem["loc"] if part != "[key]")
    place = key_path(location)
    variable = ENV_PREFIX + ENV_DELIMITER.join(str(part) for part in location).upper()
    if variable in environ:
        place = f"{place} (from the environment variable {variable})"
    match problem["type"]:
        case "extra_forbidden":
            hint = did_you_mean(str(location[-1]), _keys_at(location[:-1]))
            return f"{place}: unknown key{hint}"
        case "missing":
            return f"{place}: missing; set it"
        case "value_error":
            return f"{place}: {problem['ctx']['error']}"
        case _:
            reason = (
                problem["msg"].replace("Input should", "should").replace("Value should", "should")
            )
            return f"{place}: {reason}{_given(problem, str(location[-1]))}"


def _given(problem: ErrorDetails, key: str) -> str:
    value: Any = problem["input"]
    if key in _SECRET_KEYS or not isinstance(value, str | int | float):
        return ""
    return f", not {value!r}"


def _keys_at(location: tuple[str | int, ...]) -> list[str]:
    """Return the keys that the section at a location may have."""
    annotation: Any = Settings
    for part in location:
        origin = typing.get_origin(annotation)
        if origin in (list, dict):
            annotation = typing.get_args(annotation)[-1]
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = annotation.model_fields[str(part)].annotation
        else:
            return []
    if isinstance(annotation, types.UnionType):
        annotation = typing.get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return []
