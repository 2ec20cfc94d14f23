"""Notices to every process when keys or the routing of rollouts change."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

_KEYS = """
CREATE OR REPLACE FUNCTION api_keys_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE api_keys_generation SET value = value + 1;
    {notice}
    RETURN NULL;
END
$$
"""
_ROLLOUTS = """
CREATE FUNCTION rollouts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('querylake_changes', 'rollouts');
    RETURN NULL;
END
$$
"""
# The controller writes down what it thinks every second; that changes no routing and no version.
_TRIGGER = """
CREATE TRIGGER rollouts_changed
AFTER UPDATE ON rollouts FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version)
EXECUTE FUNCTION rollouts_changed()
"""


def upgrade() -> None:
    """Have both tables tell."""
    op.execute(_KEYS.format(notice="PERFORM pg_notify('querylake_changes', 'keys');"))
    op.execute(_ROLLOUTS)
    op.execute(_TRIGGER)


def downgrade() -> None:
    """Have neither tell."""
    op.execute("DROP TRIGGER rollouts_changed ON rollouts")
    op.execute("DROP FUNCTION rollouts_changed()")
    op.execute(_KEYS.format(notice=""))
