"""Reading keys that exist elsewhere from a table in CSV.

The first line names the columns. No message of this module repeats what is in a cell: in a table of
secrets, a secret may be in any of them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from querylake_api.configuration.problems import plain_reason
from querylake_api.keys.errors import ImportRefused
from querylake_api.keys.limits import LIMIT_NAMES
from querylake_api.keys.models import ApiKey
from querylake_api.keys.schemas import KeyRequest
from querylake_api.keys.secret import hash_key, hint

REQUIRED = ("key", "name")
OPTIONAL = ("expires_at", "scopes", "models", *LIMIT_NAMES)
SEPARATOR = ";"
"""Between the items of a cell that holds several."""

_SECRET = re.compile(r"sk-[!-~]{16,500}")
_HASH = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class ImportedKey:
    """One line of the table.

    Attributes:
        hashed: what is stored of the key itself.
        hint: what may be shown of it.
    """

    line: int
    hashed: str
    hint: str
    request: KeyRequest
    expires_at: datetime | None

    def key(self, key_id: str, models: frozenset[str] | None, now: datetime) -> ApiKey:
        """Return the key that is to be stored."""
        return ApiKey(
            id=key_id,
            name=self.request.name,
            hint=self.hint,
            scopes=frozenset(self.request.scopes),
            models=models,
            created_at=now,
            expires_at=self.expires_at,
            revoked_at=None,
            limits=self.request.limits,
        )


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """Lines whose keys were stored, and lines whose keys were here already."""

    added: list[int]
    present: list[int]


def read_keys(path: Path) -> list[ImportedKey]:
    """Return every line of a file.

    Raises:
        ImportRefused: with every fault that could be found at once.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(reader.fieldnames or ())
            return _keys(reader)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ImportRefused([f"{path} cannot be read: {reason}"]) from None
    except csv.Error as error:
        raise ImportRefused([f"line {reader.line_num}: not valid CSV: {error}"]) from None


def _check_columns(columns: Sequence[str]) -> None:
    known = ", ".join((*REQUIRED, *OPTIONAL))
    problems = [f"line 1: there is no column `{name}`" for name in REQUIRED if name not in columns]
    unknown = [number for number, name in enumerate(columns, 1) if name not in known.split(", ")]
    problems += [f"line 1: column {number} has none of these names: {known}" for number in unknown]
    if len(set(columns)) < len(columns):
        problems.append("line 1: each column may be there once")
    if problems:
        raise ImportRefused(problems)


def _keys(reader: csv.DictReader[str]) -> list[ImportedKey]:
    keys: list[ImportedKey] = []
    problems: list[str] = []
    lines: dict[str, int] = {}
    for cells in reader:
        line = reader.line_num
        try:
            key = _key(line, cells)
            if key.hashed in lines:
                raise ValueError(f"key: the same as on line {lines[key.hashed]}")
        except ValidationError as error:
            problems += (
                f"line {line}: {problem['loc'][0]}: {_reason(problem['type'], problem['msg'])}"
                for problem in error.errors()
            )
        except ValueError as error:
            problems.append(f"line {line}: {error}")
        else:
            lines[key.hashed] = line
            keys.append(key)
    if problems:
        raise ImportRefused(problems)
    return keys


def _key(line: int, cells: Mapping[str, str | None]) -> ImportedKey:
    if None in cells:
        raise ValueError("more cells than columns; a cell with a comma needs quotes")
    given = {name: (cell or "").strip() for name, cell in cells.items()}
    hashed, shown = _identity(given["key"])
    fields: dict[str, Any] = {"name": given["name"]}
    for name in ("scopes", "models"):
        if given.get(name):
            fields[name] = [item.strip() for item in given[name].split(SEPARATOR) if item.strip()]
    for name in LIMIT_NAMES:
        if given.get(name):
            fields[name] = given[name]
    return ImportedKey(
        line, hashed, shown, KeyRequest.model_validate(fields), _moment(given.get("expires_at"))
    )


def _identity(text: str) -> tuple[str, str]:
    if _SECRET.fullmatch(text):
        return hash_key(text), hint(text)
    if _HASH.fullmatch(text):
        return text.lower(), f"sha256:{text[:8].lower()}..."
    raise ValueError("key: must be a key, `sk-...`, or the SHA-256 of one as 64 hex digits")


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return zoned.astimezone(UTC)  # beyond the calendar for some of its first and last hours
    except (ValueError, OverflowError):
        raise ValueError("expires_at: must be like 2027-01-31 or 2027-01-31T12:00:00Z") from None


def _reason(kind: str, message: str) -> str:
    if kind == "value_error":
        return plain_reason(message)
    return message.replace("Input should", "should").replace("String should", "should")
