"""Writing `upgrade.toml`: the whole file once, single values later, an operator's comments kept."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from upgrade_gates.context import read_context
from upgrade_gates.errors import ContextUnusable

OPENING = """\
# What this upgrade is about. Evidence is bound to what is named here: when a file or a value
# changes, the lines that it was evidence for become stale. Relative paths start at the folder that
# holds .upgrade. Secrets stay out: name environment variables.
"""


def write_new(file: Path, tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a new file with a comment that says what it is.

    Raises:
        ContextUnusable: it cannot be written.
    """
    document = tomlkit.document()
    for name, values in tables.items():
        table = tomlkit.table()
        table.update(values)
        document[name] = table
    _replace(file, OPENING + "\n" + tomlkit.dumps(document))


def change(file: Path, values: Mapping[str, Any]) -> None:
    """Set top-level keys, or keys of a table, and leave everything else as it was.

    Args:
        values: by key; for a table, the keys of it that are to be set.

    Raises:
        ContextUnusable: the file cannot be read or written, or would be wrong afterwards; then it
            is as it was before.
    """
    try:
        before = file.read_text(encoding="utf-8")
        document = tomlkit.parse(before)
    except OSError as error:
        raise ContextUnusable(f"{file} cannot be read: {error.strerror}") from None
    except TOMLKitError as error:
        raise ContextUnusable(f"{file} is not TOML: {error}") from None
    added = tomlkit.document()
    for key, value in values.items():
        if isinstance(value, Mapping):
            document.setdefault(key, tomlkit.table()).update(value)
        elif key in document:
            document[key] = value
        else:
            added[key] = value
    # A bare key belongs above the first table, or it would become the last table's.
    text = tomlkit.dumps(document)
    bare = tomlkit.dumps(added)
    _replace(file, _after_opening(text, bare) if bare else text)
    try:
        read_context(file)
    except ContextUnusable:
        _replace(file, before)
        raise


def _after_opening(text: str, bare: str) -> str:
    lines = text.splitlines(keepends=True)
    at = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join([*lines[:at], "\n", bare, *lines[at:]])


def _replace(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=file.parent, prefix=file.name, delete=False
        ) as new:
            new.write(text)
        os.chmod(new.name, 0o644)
        os.replace(new.name, file)
    except OSError as error:
        raise ContextUnusable(f"{file} cannot be written: {error.strerror}") from None
