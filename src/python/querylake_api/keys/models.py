"""Keys as the rest of the package sees them, and as PostgreSQL keeps them."""

# interpreted: it makes dataclasses, and tables of SQLAlchemy.

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Column, DateTime, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from querylake_api.keys.limits import Limits
from querylake_api.persistence.base import Base


class Scope(StrEnum):
    """A group of endpoints that a key can open."""

    INFERENCE = "inference"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, without the key.

    Attributes:
        id: names the key in listings, logs and metrics.
        name: what its owner calls it.
        hint: its last characters, to recognise it by.
        scopes: which groups of endpoints it opens.
        models: the ids of the models it may use; None means all of them.
        expires_at: from then on it opens nothing; None means never.
        revoked_at: when it was taken back.
        limits: what it may use; see `Limits`.
    """

    id: str
    name: str
    hint: str
    scopes: frozenset[Scope]
    models: frozenset[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    limits: Limits = field(default_factory=Limits)

    def may_use(self, model_id: str) -> bool:
        """Return whether the allow-list, if there is one, has this model."""
        return self.models is None or model_id in self.models


class ApiKeyRow(Base):
    """The table `api_keys`."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    hash: Mapped[str] = mapped_column(Text, unique=True)
    hint: Mapped[str] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    models: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    requests_per_minute: Mapped[int | None] = mapped_column(Integer)
    tokens_per_minute: Mapped[int | None] = mapped_column(Integer)
    concurrency: Mapped[int | None] = mapped_column(Integer)
    changed_in: Mapped[int] = mapped_column(BigInteger, index=True, server_default="0")
    """The number of its last change, which a trigger sets; see `KEY_GENERATION`."""


KEY_GENERATION = Table(
    "api_keys_generation",
    Base.metadata,
    Column("value", BigInteger, nullable=False),
    Column("reread_from", BigInteger, nullable=False, server_default="0"),
)
"""One row. A trigger counts `value` up with every change of `api_keys`; `reread_from` is the number
of the last one that the rows do not show, since some were deleted."""
