"""Token counts beyond 2^31: what an engine reports is recorded, however large."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

_COUNTS = ("prompt_tokens", "completion_tokens")


def upgrade() -> None:
    """Widen the columns. PostgreSQL writes the table anew, and records wait on disk meanwhile."""
    # One statement, which writes it once.
    changes = ", ".join(f"ALTER COLUMN {column} TYPE bigint" for column in _COUNTS)
    op.execute(f"ALTER TABLE usage_records {changes}")


def downgrade() -> None:
    """Narrow the columns again; larger counts become the largest that fits."""
    changes = ", ".join(
        f"ALTER COLUMN {column} TYPE integer "
        f"USING CASE WHEN {column} > 2147483647 THEN 2147483647 ELSE {column} END"
        for column in _COUNTS
    )
    op.execute(f"ALTER TABLE usage_records {changes}")
