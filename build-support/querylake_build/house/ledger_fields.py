"""In how many files a field of the ledger is named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TABLE = "usage_records"


@dataclass(frozen=True)
class FieldSpread:
    """How many files of the API name a field of the ledger, migrations included.

    Attributes:
        fewest: of any field: what every field costs, however little is done with it.
        median: over all fields.
    """

    fewest: int
    median: int


def spread_of_fields(package: Path) -> FieldSpread:
    """Look for the columns of the ledger's table, which migrations declare, in all of a package."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(package.rglob("*.py"))]
    words = [frozenset(re.findall(r"\w+", text)) for text in texts]
    columns = {name for text in texts for name in _columns(text)}
    counts = sorted(sum(name in each for each in words) for name in columns) or [0]
    return FieldSpread(fewest=counts[0], median=counts[len(counts) // 2])


def _columns(text: str) -> Iterator[str]:
    """Yield the columns that a migration creates in the table."""
    if _TABLE not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and _called(node) in ("create_table", "add_column")):
            continue
        if not (isinstance(node.args[0], ast.Constant) and node.args[0].value == _TABLE):
            continue
        for column in node.args[1:]:
            if (
                isinstance(column, ast.Call)
                and _called(column) == "Column"
                and isinstance(column.args[0], ast.Constant)
            ):
                yield str(column.args[0].value)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""
