"""The steps between revisions, which Alembic makes, without an ini file."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from querylake_api.persistence.revision import MIGRATIONS


def upgrade(connection: Connection) -> None:
    """Bring the tables to the newest form."""
    command.upgrade(_config(connection), "head")


def downgrade(connection: Connection, revision: str) -> None:
    """Bring the tables back to an older form."""
    command.downgrade(_config(connection), revision)


def _config(connection: Connection) -> Config:
    config = Config()
    # Alembic reads `%` in option values as interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
