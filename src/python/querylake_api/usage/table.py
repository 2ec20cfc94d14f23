"""The ledger as PostgreSQL keeps it: a column for each field of `UsageRecord`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.types import TypeEngine

from querylake_api.persistence.base import Base
from querylake_api.usage.record import UsageRecord

_TYPES: Final[dict[type, TypeEngine[Any]]] = {
    bool: Boolean(),
    datetime: DateTime(timezone=True),
    float: Float(),
    int: Integer(),
    str: Text(),
    UUID: Uuid(),
}


def _columns() -> Iterator[Column[Any]]:
    for name, hint in get_type_hints(UsageRecord, include_extras=True).items():
        if name not in UsageRecord.model_fields:
            continue
        given = [each for each in get_args(hint) if each is not type(None)]
        nullable = type(None) in get_args(hint)
        kind = given[0] if nullable else hint
        stored = get_args(kind)[1] if get_origin(kind) is Annotated else _TYPES[kind]
        yield Column(name, stored, primary_key=name == "id", nullable=nullable)


usage_records: Final = Table(
    "usage_records",
    Base.metadata,
    *_columns(),
    Index("ix_usage_records_began_at", "began_at", "id"),
    Index("ix_usage_records_key_id", "key_id", "began_at"),
    Index("ix_usage_records_model", "model", "began_at"),
    Index("ix_usage_records_failures", "began_at", postgresql_where=text("outcome <> 'success'")),
)
"""Rows are never changed, except that an end takes the place of `lost_in_crash`. They have no
foreign key: a record outlives its key and its model."""
