"""What parity keeps in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Identity, Index, Integer, LargeBinary, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from querylake_api.persistence.base import Base


class CorpusRow(Base):
    """The table `parity_corpus`: recorded requests, sealed.

    `size` is that of the sealed body. There is no foreign key: requests expire by themselves.
    """

    __tablename__ = "parity_corpus"
    __table_args__ = (Index("ix_parity_corpus_key_id", "key_id", "recorded_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), index=True
    )
    key_id: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    route: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(Integer)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class PairRow(Base):
    """The table `parity_pairs`: what was seen of two answers to one request.

    `pair` holds no text. `sealed` is the request with both answers, where its key or model agreed
    to be recorded and the answers differ.
    """

    __tablename__ = "parity_pairs"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    rollout_id: Mapped[str] = mapped_column(Text, index=True)
    made_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), index=True
    )
    key_id: Mapped[str] = mapped_column(Text)
    pair: Mapped[dict[str, Any]] = mapped_column(JSONB)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
