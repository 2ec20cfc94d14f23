"""Alembic's entry point: runs the revisions on the connection that `migrate` hands over."""

from __future__ import annotations

from alembic import context

from querylake_api.persistence.base import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
