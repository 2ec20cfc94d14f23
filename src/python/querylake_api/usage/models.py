"""The ledger as PostgreSQL keeps it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from querylake_api.persistence.base import Base


class UsageRow(Base):
    """The table `usage_records`. What each column means is in `RequestRecord`.

    Rows are never changed, except that an end takes the place of `lost_in_crash`. They have no
    foreign key: a record outlives its key and its model.
    """

    __tablename__ = "usage_records"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    began_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    request_id: Mapped[str] = mapped_column(Text)
    route: Mapped[str] = mapped_column(Text)
    key_id: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    upstream: Mapped[str] = mapped_column(Text)
    assigned_stack: Mapped[str] = mapped_column(Text)
    stack: Mapped[str] = mapped_column(Text)
    streamed: Mapped[bool]
    attempts: Mapped[int]
    status: Mapped[int]
    outcome: Mapped[str] = mapped_column(Text)
    error_code: Mapped[str | None] = mapped_column(Text)
    ending: Mapped[str | None] = mapped_column(Text)
    prompt_tokens: Mapped[int | None] = mapped_column(BigInteger)
    completion_tokens: Mapped[int | None] = mapped_column(BigInteger)
    content_chunks: Mapped[int]
    queued_seconds: Mapped[float]
    first_token_seconds: Mapped[float | None]
    gap_p95_seconds: Mapped[float | None]
    seconds: Mapped[float | None]

    __table_args__ = (
        Index("ix_usage_records_began_at", "began_at", "id"),
        Index("ix_usage_records_key_id", "key_id", "began_at"),
        Index("ix_usage_records_model", "model", "began_at"),
        Index(
            "ix_usage_records_failures", "began_at", postgresql_where=text("outcome <> 'success'")
        ),
    )
