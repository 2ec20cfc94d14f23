"""Records as in-toto's own library reads them."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.json_format import Parse  # type: ignore[import-untyped]
from in_toto_attestation.v1.statement import Statement  # type: ignore[import-untyped]
from in_toto_attestation.v1.statement_pb2 import (  # type: ignore[import-untyped]
    Statement as StatementMessage,
)


def attested(evidence: Path) -> int:
    """Let in-toto's library take every record of a folder, and return how many there are.

    Raises:
        ValueError: it refuses one.
        google.protobuf.json_format.ParseError: one is no statement at all.
    """
    records = sorted(evidence.glob("*.json"))
    for record in records:
        message = Parse(record.read_text(encoding="utf-8"), StatementMessage())
        Statement.copy_from_pb(message).validate()
    return len(records)
