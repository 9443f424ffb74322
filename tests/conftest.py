"""Fixtures that many rooms' tests stand on: a plain PostgreSQL server, and the embedded stack.

`postgres_url` and `database_url` need no Airflow and cost about a second once per process; `stack` starts
everything and belongs to tests marked `stack`. Fixtures of one room only live beside that room's tests.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gauntlet.local import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A PostgreSQL server of this process's own, without fsync, on a free port of loopback."""
    folder = Path(tempfile.mkdtemp(prefix="gauntlet-test-postgres-"))
    state = folder / "postgres"
    home = postgres.prepare_home(state, outside=[Path(tempfile.gettempdir())])
    server = postgres.Server(_free_port(), secrets.token_urlsafe(16))
    postgres.initialise(home, server.password)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            postgres.server_command(home, server.port, durable=False),
            cwd="/",
            stdout=log,
            stderr=log,
            user=home.account.uid if home.account else None,
            group=home.account.gid if home.account else None,
            extra_groups=[] if home.account else None,
        )
    try:
        postgres.wait_until_ready(server)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        postgres.forget_home(state)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_url(postgres_server: postgres.Server) -> str:
    """SQLAlchemy URL (psycopg 3) of the server's administrator and its maintenance database."""
    return _sqlalchemy_url(postgres_server, postgres.ADMIN)


@pytest.fixture
def database_url(postgres_server: postgres.Server) -> Iterator[str]:
    """SQLAlchemy URL (psycopg 3) of a fresh, empty database that is gone after the test."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield _sqlalchemy_url(postgres_server, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _sqlalchemy_url(server: postgres.Server, database: str) -> str:
    return postgres.database_url(server.port, database, user=postgres.ADMIN, password=server.password, driver="psycopg")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
