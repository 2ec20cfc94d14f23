"""The records that a command has left in a workspace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from upgrade_gates.evidence.chain import Record
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.session import open_session


def records_of(folder: Path) -> dict[str, Record]:
    """Return the last record of each check."""
    return {record.check: record for record in open_session(folder).store.read().records}


def said(records: Mapping[str, Record], check: str) -> tuple[Verdict, str]:
    """Return the verdict of a check, and its reason."""
    predicate = records[check].statement.predicate
    return predicate.verdict, predicate.reason
