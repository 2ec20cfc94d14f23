"""Keys on a terminal: as a table, one by one, and in a sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from querylake_api.keys.limits import LIMIT_NAMES, UNLIMITED, Limits
from querylake_api.keys.models import ApiKey

UNLIMITED_WORD = "unlimited"
DEFAULT_WORD = "default"

ID_LENGTH = 20
UNBOUNDED = 400
"""Columns to assume where there is no terminal."""


def print_keys(keys: Iterable[ApiKey]) -> None:
    """Print a line for each key."""
    # The id is what the next command needs: it is never cut, and nothing is where no one looks.
    table = Table(Column("id", no_wrap=True, min_width=ID_LENGTH), "name", "key", box=SIMPLE_HEAD)
    for title in ("scopes", "models", "limits", "created", "expires", "revoked"):
        table.add_column(title)
    for key in keys:
        table.add_row(
            key.id,
            key.name,
            key.hint,
            ", ".join(sorted(key.scopes)),
            "all" if key.models is None else ", ".join(sorted(key.models)),
            _shown_limits(key.limits),
            _moment(key.created_at),
            _moment(key.expires_at),
            _moment(key.revoked_at),
        )
    _print(table)


def print_key(key: ApiKey) -> None:
    """Print everything about a key but the key."""
    table = Table(Column(no_wrap=True), Column(), box=None, show_header=False)
    table.add_row("id", key.id)
    table.add_row("name", key.name)
    table.add_row("key", key.hint)
    table.add_row("scopes", ", ".join(sorted(key.scopes)))
    table.add_row("models", "all" if key.models is None else ", ".join(sorted(key.models)))
    for name in LIMIT_NAMES:
        table.add_row(name.replace("_", " "), _shown_limit(getattr(key.limits, name)))
    table.add_row("created", _moment(key.created_at))
    table.add_row("expires", _moment(key.expires_at))
    table.add_row("revoked", _moment(key.revoked_at))
    _print(table)


def _print(table: Table) -> None:
    width = None if sys.stdout.isatty() else UNBOUNDED
    Console(width=width).print(table)


def powers(key: ApiKey) -> str:
    """Return what a key can do, in words."""
    models = "all models" if key.models is None else ", ".join(sorted(key.models))
    until = "for ever" if key.expires_at is None else f"until {_moment(key.expires_at)}"
    limits = _shown_limits(key.limits)
    return f"{' and '.join(sorted(key.scopes))}, {models}, limits {limits}, {until}"


def _shown_limits(limits: Limits) -> str:
    """Return those limits that are not the defaults, short enough for a table."""
    units = ("/min", " tokens/min", " at once")
    given = (getattr(limits, name) for name in LIMIT_NAMES)
    shown = [f"{_shown_limit(limit)}{unit}" for limit, unit in zip(given, units, strict=True)]
    own = [text for text in shown if not text.startswith(DEFAULT_WORD)]
    return ", ".join(own) or DEFAULT_WORD


def _shown_limit(limit: int | None) -> str:
    if limit is None:
        return DEFAULT_WORD
    return UNLIMITED_WORD if limit == UNLIMITED else str(limit)


def _moment(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
