"""How far the webhooks of rollouts have been told what happened."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the cursor."""
    cursor = sa.Column("announced", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    op.add_column("rollout_lease", cursor)


def downgrade() -> None:
    """Remove it."""
    op.drop_column("rollout_lease", "announced")
