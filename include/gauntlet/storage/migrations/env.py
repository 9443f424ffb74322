"""What Alembic runs to apply migrations: on the connection it is handed, in that connection's transaction.

Alembic loads this file; nothing imports it. It configures no logging, because it runs inside other programs.
"""

from __future__ import annotations

from alembic import context

from gauntlet.storage.migrations import VERSION_TABLE
from gauntlet.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
