"""Answer parity: recorded requests, and pairs of answers in rollouts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create both tables."""
    now = sa.text("now()")
    op.create_table(
        "parity_corpus",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_parity_corpus"),
    )
    op.create_index("ix_parity_corpus_recorded_at", "parity_corpus", ["recorded_at"])
    op.create_index("ix_parity_corpus_key_id", "parity_corpus", ["key_id", "recorded_at"])
    op.create_table(
        "parity_pairs",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("rollout_id", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("pair", JSONB(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_parity_pairs"),
    )
    op.create_index("ix_parity_pairs_rollout_id", "parity_pairs", ["rollout_id"])
    op.create_index("ix_parity_pairs_made_at", "parity_pairs", ["made_at"])


def downgrade() -> None:
    """Remove both tables, and every text in them."""
    op.drop_table("parity_pairs")
    op.drop_table("parity_corpus")
