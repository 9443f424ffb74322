"""The one way to reach Gauntlet's database: an engine for each URL and process, and a transaction on it.

Repositories take a ``Connection`` and never begin or commit: what belongs together is decided by who calls them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import OperationalError

from gauntlet.errors import GauntletError

_CONNECT_TIMEOUT_SECONDS = 10


class DatabaseUnreachableError(GauntletError):
    """Gauntlet's database does not answer."""


@lru_cache(maxsize=8)
def engine(url: str) -> Engine:
    """The engine of one database, made once for each process.

    :param url: SQLAlchemy's, ``postgresql+psycopg://…``.
    """
    return create_engine(
        url,
        pool_size=2,
        max_overflow=8,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={
            "application_name": "gauntlet",
            "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
            "options": "-c timezone=UTC",
        },
    )


# Airflow forks its workers; two processes on one socket would read each other's answers. The parent's
# connections are forgotten, not closed: they are still the parent's.
os.register_at_fork(after_in_child=engine.cache_clear)


@contextmanager
def begin(url: str) -> Iterator[Connection]:
    """A transaction: committed at the end, rolled back when anything is raised.

    :raises DatabaseUnreachableError: when no connection can be made.
    """
    try:
        connection = engine(url).connect()
    except OperationalError as error:
        shown = engine(url).url.render_as_string(hide_password=True)
        raise DatabaseUnreachableError(
            f"the database does not answer: {str(error.orig).strip()}",
            where=shown,
            todo="Is the stack up (`gauntlet status`), and does GAUNTLET_DATABASE_URL name it?",
        ) from None
    with connection, connection.begin():
        yield connection
