"""Brings a database to the schema that this version of Gauntlet needs, in process and without an ``alembic.ini``.

Safe to call from several processes at once: the first one migrates under an advisory lock, the others wait and
find nothing to do. Logging is left as it is found.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

#: Key of the advisory lock, any number that nobody else uses: "gauntlet" in ASCII.
_LOCK = 0x6761756E746C6574

#: Where the applied revision is kept; a name of our own, in case a database is shared with another Alembic.
VERSION_TABLE = "gauntlet_alembic_version"


def upgrade(url: str, revision: str = "head") -> None:
    """Apply the migrations that a database lacks.

    :param url: SQLAlchemy's, ``postgresql+psycopg://…``.
    :param revision: up to and with this one.
    """
    with _engine(url).connect() as connection:
        with connection.begin():
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        try:
            with connection.begin():
                command.upgrade(_config(connection), revision)
        finally:
            with connection.begin():
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})


def downgrade(url: str, revision: str) -> None:
    """Take migrations back down to a revision; ``base`` takes all. Rows in dropped tables are lost."""
    with _engine(url).begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        command.downgrade(_config(connection), revision)


def current(url: str) -> str | None:
    """The revision a database has; None before the first migration."""
    with _engine(url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return context.get_current_revision()


def _engine(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool)


def _config(connection: Connection) -> Config:
    config = Config()
    # Percent signs are Alembic's interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
