"""What a key may use: requests and tokens a minute, and requests at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_LIMITS = ("requests_per_minute", "tokens_per_minute", "concurrency")


def upgrade() -> None:
    """Add the limits; null leaves a key to the defaults of the configuration."""
    for limit in _LIMITS:
        op.add_column("api_keys", sa.Column(limit, sa.Integer(), nullable=True))


def downgrade() -> None:
    """Remove the limits."""
    for limit in _LIMITS:
        op.drop_column("api_keys", limit)
