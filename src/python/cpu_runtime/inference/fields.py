"""Checking single fields of a request. llama.cpp takes some nonsense for its defaults instead."""

from __future__ import annotations

from typing import Any

from cpu_runtime.errors import RequestError, invalid

Body = dict[str, Any]


def without_nulls(body: Body) -> Body:
    """Return a request without its nulls: OpenAI's clients write them for `not given`."""
    return {name: value for name, value in body.items() if value is not None}


def require(body: Body, name: str) -> Any:
    """Return a field that has to be there.

    Raises:
        RequestError: it is not.
    """
    if name not in body:
        raise missing(name)
    return body[name]


def missing(name: str) -> RequestError:
    """Return the error for a field that has to be there."""
    return invalid(f"{name!r} is required.", name, "missing_required_parameter")


def check_number(body: Body, name: str, low: float, high: float) -> None:
    """Check a number that may be absent.

    Raises:
        RequestError: it is no number, or beyond its limits.
    """
    value = body.get(name, low)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise invalid(
            f"{name!r} must be a number from {low:g} to {high:g}, not {_shown(value)}.", name
        )


def check_integer(body: Body, name: str, low: int, high: int | None = None) -> None:
    """Check an integer that may be absent.

    Raises:
        RequestError: it is no integer, or beyond its limits.
    """
    value = body.get(name, low)
    if is_integer(value) and low <= value and (high is None or value <= high):
        return
    limits = f"of at least {low}" if high is None else f"from {low} to {high}"
    raise invalid(f"{name!r} must be an integer {limits}, not {_shown(value)}.", name)


def check_boolean(body: Body, name: str) -> None:
    """Check a boolean that may be absent.

    Raises:
        RequestError: it is something else.
    """
    if not isinstance(value := body.get(name, False), bool):
        raise invalid(f"{name!r} must be true or false, not {_shown(value)}.", name)


def check_kind(body: Body, name: str, kind: type, called: str) -> None:
    """Check the type of a field that may be absent.

    Raises:
        RequestError: it is of another.
    """
    if name in body and not isinstance(body[name], kind):
        raise invalid(f"{name!r} must be {called}.", name)


def is_integer(value: object) -> bool:
    """Return whether a value is an integer in JSON's sense, where booleans are not numbers."""
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:80] + "…"
