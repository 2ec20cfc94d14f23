"""Rollouts as PostgreSQL keeps them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from querylake_api.persistence.base import Base


class RolloutRow(Base):
    """The table `rollouts`.

    `version` comes from one sequence for all rollouts and changes with everything that routing
    depends on. `evidence` and `baked_seconds` are the controller's.
    """

    __tablename__ = "rollouts"
    __table_args__ = (
        Index(
            "uq_rollouts_live",
            "model",
            unique=True,
            postgresql_where=text("status IN ('running', 'paused')"),
        ),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    model: Mapped[str] = mapped_column(Text)
    candidates: Mapped[list[str]] = mapped_column(JSONB)
    plan: Mapped[dict[str, Any]] = mapped_column(JSONB)
    salt: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    step: Mapped[int] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    baked_seconds: Mapped[float] = mapped_column(Float, server_default=text("0"))
    evidence: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    judgement: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_by: Mapped[str] = mapped_column(Text)


class RolloutEventRow(Base):
    """The table `rollout_events`: what happened, in order; a trigger keeps it append-only."""

    __tablename__ = "rollout_events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    rollout_id: Mapped[str] = mapped_column(Text, ForeignKey("rollouts.id"), index=True)
    at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.clock_timestamp()
    )
    kind: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    sentence: Mapped[str] = mapped_column(Text)
    figures: Mapped[dict[str, Any]] = mapped_column(JSONB)


class RolloutOutcomeRow(Base):
    """The table `rollout_outcomes`: counts on their way from a worker to the controller."""

    __tablename__ = "rollout_outcomes"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    rollout_id: Mapped[str] = mapped_column(Text, ForeignKey("rollouts.id"), index=True)
    step: Mapped[int] = mapped_column(Integer)
    counts: Mapped[list[Any]] = mapped_column(JSONB)


class RolloutWorkerRow(Base):
    """The table `rollout_workers`: what each process last said.

    `flushed` is the number of its last batch of outcomes, so that none is taken twice. `version` is
    what it routes by, since `acknowledged_at`.
    """

    __tablename__ = "rollout_workers"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    flushed: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)
    acknowledged_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    alarms: Mapped[dict[str, Any]] = mapped_column(JSONB)


class RolloutLeaseRow(Base):
    """The table `rollout_lease`: one row. Whoever takes it over gets a larger token.

    `announced` is the last event that webhooks were told of.
    """

    __tablename__ = "rollout_lease"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    holder: Mapped[str] = mapped_column(Text)
    token: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    announced: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
