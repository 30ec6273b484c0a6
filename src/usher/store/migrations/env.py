"""Runs migrations on the connection that the store hands over."""

from __future__ import annotations

from alembic import context

from usher.store.spine_tables import release
from usher.store.tables import metadata

assert release.metadata is metadata, "every module of tables is loaded before the tables are compared"

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
