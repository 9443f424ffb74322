"""Fixtures of the storage room: a fresh database with Gauntlet's tables, and a transaction on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from gauntlet.storage import database, migrations


@pytest.fixture
def migrated_url(database_url: str) -> Iterator[str]:
    """SQLAlchemy URL of a fresh database with all migrations applied."""
    migrations.upgrade(database_url)
    yield database_url
    database.engine(database_url).dispose()


@pytest.fixture(scope="session")
def shared_url(postgres_url: str) -> Iterator[str]:
    """SQLAlchemy URL of one migrated database for all tests that roll back what they did."""
    name = "gauntlet_shared"
    administration = create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with administration.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        url = administration.url.set(database=name).render_as_string(hide_password=False)
        migrations.upgrade(url)
        yield url
        database.engine(url).dispose()
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def connection(shared_url: str) -> Iterator[Connection]:
    """A connection in a transaction that is never committed."""
    with database.engine(shared_url).connect() as connection:
        yield connection
