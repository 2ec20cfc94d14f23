"""API keys, and a counter that tells every process when they changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

# The counter's row is locked until its transaction ends, so its values appear in commit order: who
# has seen value N and then reads the keys has seen every change up to N.
_COUNT_CHANGES = """
CREATE FUNCTION api_keys_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE api_keys_generation SET value = value + 1;
    RETURN NULL;
END
$$
"""
_TRIGGER = """
CREATE TRIGGER api_keys_changed
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON api_keys
FOR EACH STATEMENT EXECUTE FUNCTION api_keys_changed()
"""


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("models", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("hash", name="uq_api_keys_hash"),
    )
    generation = op.create_table(
        "api_keys_generation",
        sa.Column("value", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(generation, [{"value": 1}])
    op.execute(_COUNT_CHANGES)
    op.execute(_TRIGGER)


def downgrade() -> None:
    """Remove the tables and every key in them."""
    op.drop_table("api_keys")
    op.execute("DROP FUNCTION api_keys_changed()")
    op.drop_table("api_keys_generation")
