"""Rollouts, their events, and what passes between workers and the controller."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

_REFUSE = """
CREATE FUNCTION rollout_events_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the events of rollouts are append-only';
END
$$
"""
_TRIGGER = """
CREATE TRIGGER rollout_events_are_final
BEFORE UPDATE OR DELETE ON rollout_events
FOR EACH ROW EXECUTE FUNCTION rollout_events_are_final()
"""


def upgrade() -> None:
    """Create the tables."""
    moment = sa.DateTime(timezone=True)
    op.execute("CREATE SEQUENCE rollout_version")
    op.create_table(
        "rollouts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("candidates", postgresql.JSONB(), nullable=False),
        sa.Column("plan", postgresql.JSONB(), nullable=False),
        sa.Column("salt", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", moment, nullable=False, server_default=sa.func.now()),
        sa.Column("started_at", moment, nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("baked_seconds", sa.Float(), nullable=False, server_default=sa.text("0")),
        sa.Column("evidence", postgresql.JSONB(), nullable=True),
        sa.Column("judgement", postgresql.JSONB(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rollouts"),
    )
    op.create_index(
        "uq_rollouts_live",
        "rollouts",
        ["model"],
        unique=True,
        postgresql_where=sa.text("status IN ('running', 'paused')"),
    )
    op.create_table(
        "rollout_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("rollout_id", sa.Text(), nullable=False),
        sa.Column("at", moment, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("figures", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rollout_events"),
        sa.ForeignKeyConstraint(
            ["rollout_id"], ["rollouts.id"], name="fk_rollout_events_rollout_id_rollouts"
        ),
    )
    op.create_index("ix_rollout_events_rollout_id", "rollout_events", ["rollout_id"])
    op.execute(_REFUSE)
    op.execute(_TRIGGER)
    op.create_table(
        "rollout_outcomes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("rollout_id", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rollout_outcomes"),
        sa.ForeignKeyConstraint(
            ["rollout_id"], ["rollouts.id"], name="fk_rollout_outcomes_rollout_id_rollouts"
        ),
    )
    op.create_index("ix_rollout_outcomes_rollout_id", "rollout_outcomes", ["rollout_id"])
    op.create_table(
        "rollout_workers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("flushed", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_at", moment, nullable=False),
        sa.Column("alarms", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rollout_workers"),
    )
    lease = op.create_table(
        "rollout_lease",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rollout_lease"),
    )
    op.execute(
        sa.insert(lease).values(id=1, holder="", token=0, expires_at=sa.func.clock_timestamp())
    )


def downgrade() -> None:
    """Remove the tables and every rollout in them."""
    for table in ("rollout_lease", "rollout_workers", "rollout_outcomes", "rollout_events"):
        op.drop_table(table)
    op.execute("DROP FUNCTION rollout_events_are_final()")
    op.drop_table("rollouts")
    op.execute("DROP SEQUENCE rollout_version")
