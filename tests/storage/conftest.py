"""Fixtures of the storage room: a fresh database with Gauntlet's tables, and a transaction on it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
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


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 service on loopback, moto's, for the whole session."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_endpoint(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The service with a fresh, empty bucket `results` and credentials in the environment."""
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    httpx.post(f"{s3_server}/moto-api/reset").raise_for_status()
    httpx.put(f"{s3_server}/results").raise_for_status()
    return s3_server
