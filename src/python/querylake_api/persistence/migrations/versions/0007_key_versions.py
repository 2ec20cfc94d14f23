"""Which change each key was changed by, so that processes read what changed and not all keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

# Before the rows: they are stamped with the number that this change gets. As before, the counter's
# row is locked until its transaction ends, so numbers appear in commit order: who has seen number
# N and then reads the keys with higher numbers misses none.
_COUNT = """
CREATE OR REPLACE FUNCTION api_keys_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE api_keys_generation SET value = value + 1;
    PERFORM pg_notify('querylake_changes', 'keys');
    RETURN NULL;
END
$$
"""
_STAMP = """
CREATE FUNCTION api_keys_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT value INTO NEW.changed_in FROM api_keys_generation;
    IF TG_OP = 'UPDATE' THEN
        IF NEW.hash IS DISTINCT FROM OLD.hash THEN
            UPDATE api_keys_generation SET reread_from = value;
        END IF;
    END IF;
    RETURN NEW;
END
$$
"""
# A row that is gone has no number. Nothing but a hand deletes keys, so all may then be read again.
_GONE = """
CREATE FUNCTION api_keys_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE api_keys_generation SET reread_from = value;
    RETURN NULL;
END
$$
"""
_TRIGGERS = (
    """
    CREATE TRIGGER api_keys_changed
    BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION api_keys_changed()
    """,
    """
    CREATE TRIGGER api_keys_stamp
    BEFORE INSERT OR UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION api_keys_stamp()
    """,
    """
    CREATE TRIGGER api_keys_gone
    AFTER DELETE OR TRUNCATE ON api_keys FOR EACH STATEMENT EXECUTE FUNCTION api_keys_gone()
    """,
)
_COUNT_AFTERWARDS = """
CREATE TRIGGER api_keys_changed
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON api_keys
FOR EACH STATEMENT EXECUTE FUNCTION api_keys_changed()
"""


def upgrade() -> None:
    """Add the numbers; the keys that are there have 0, which is older than any change."""
    op.execute("DROP TRIGGER api_keys_changed ON api_keys")
    number = sa.Column("changed_in", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("api_keys", number)
    op.create_index("ix_api_keys_changed_in", "api_keys", ["changed_in"])
    number = sa.Column("reread_from", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("api_keys_generation", number)
    for statement in (_COUNT, _STAMP, _GONE, *_TRIGGERS):
        op.execute(statement)
    # Nobody who reads by numbers may take what was changed before them for unchanged.
    op.execute("UPDATE api_keys_generation SET value = value + 1, reread_from = value + 1")


def downgrade() -> None:
    """Remove the numbers; every change is counted as before."""
    for name in ("api_keys_changed", "api_keys_stamp", "api_keys_gone"):
        op.execute(f"DROP TRIGGER {name} ON api_keys")
    op.execute("DROP FUNCTION api_keys_stamp()")
    op.execute("DROP FUNCTION api_keys_gone()")
    op.drop_column("api_keys_generation", "reread_from")
    op.drop_index("ix_api_keys_changed_in", "api_keys")
    op.drop_column("api_keys", "changed_in")
    op.execute(_COUNT_AFTERWARDS)
