"""Fixtures that many rooms' tests stand on: a plain PostgreSQL server, and the embedded stack.

`postgres_url` and `database_url` need no Airflow and cost about a second once per process; `stack` starts
everything and belongs to tests marked `stack`. Fixtures of one room only live beside that room's tests.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from gauntlet.local import postgres
from gauntlet.local.stack import Stack

PROJECT = Path(__file__).parents[1]


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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give all tests that share the stack to one worker (`--dist loadgroup`)."""
    for item in items:
        if item.get_closest_marker("stack") is not None:
            item.add_marker(pytest.mark.xdist_group("stack"))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The embedded stack, up and healthy; tests leave it so.

    One for the whole session, also of several workers, in a folder and on ports of its own. GAUNTLET_TEST_STACK
    names the state folder of one that runs already, which saves half a minute while writing tests.
    """
    running = os.environ.get("GAUNTLET_TEST_STACK", "")
    if running:
        description = Stack(stack_environment(Path(running))).description()
        assert description is not None, f"GAUNTLET_TEST_STACK={running} is no stack"
        yield Stack(stack_environment(Path(running), description.ui_port))
        return
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    state = shared / "stack"
    with _locked(shared / "stack.lock") as users:
        port = int(users[0]) if users else _free_port()
        users[:] = [str(port), str(int(users[1]) + 1 if users else 1)]
        # Definitions of its own: tests write, break and delete them while it runs.
        shutil.copytree(PROJECT / "include" / "suites", shared / "definitions" / "suites", dirs_exist_ok=True)
        started = Stack({**stack_environment(state, port), "GAUNTLET_DEFINITIONS_ROOT": str(shared / "definitions")})
        started.up()
    try:
        yield started
    finally:
        with _locked(shared / "stack.lock") as users:
            left = int(users[1]) - 1
            users[:] = [users[0], str(left)]
            if left == 0:
                started.down()
                postgres.forget_home(started.paths.postgres)
                users.clear()


def stack_environment(state: Path, port: int | None = None) -> dict[str, str]:
    """This process's environment for a stack of its own, without what the developer's shell says about others."""
    foreign = ("GAUNTLET_", "KUBECONFIG", "AIRFLOW_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    env["GAUNTLET_HOME"] = str(state)
    if port is not None:
        env["GAUNTLET_PORT"] = str(port)
    return env


@contextmanager
def _locked(path: Path) -> Iterator[list[str]]:
    """Words in a file that one process at a time may read and change."""
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        words = file.read().split()
        yield words
        file.truncate(0)
        file.write(" ".join(words))


def _sqlalchemy_url(server: postgres.Server, database: str) -> str:
    return postgres.database_url(server.port, database, user=postgres.ADMIN, password=server.password, driver="psycopg")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
