"""Transactions, and what is said when the database is not there."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import text

from gauntlet.storage import database


def test_what_raised_is_rolled_back_and_what_did_not_is_kept(database_url: str) -> None:
    with database.begin(database_url) as connection:
        connection.execute(text("CREATE TABLE t (x int)"))
    with pytest.raises(ZeroDivisionError), database.begin(database_url) as connection:  # noqa: PT012
        connection.execute(text("INSERT INTO t VALUES (1)"))
        1 / 0  # noqa: B018
    with database.begin(database_url) as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar() == 0
    database.engine(database_url).dispose()


def test_an_absent_database_is_said_to_be_absent_without_its_password() -> None:
    url = "postgresql+psycopg://ann:hunter2@127.0.0.1:1/gauntlet"
    with pytest.raises(database.DatabaseUnreachableError, match="does not answer") as caught, database.begin(url):
        pass
    assert "hunter2" not in str(caught.value)


def test_a_forked_process_makes_an_engine_of_its_own(postgres_url: str) -> None:
    with database.begin(postgres_url) as connection:
        mine = connection.execute(text("SELECT pg_backend_pid()")).scalar()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with database.begin(postgres_url) as connection:
                answer = str(connection.execute(text("SELECT pg_backend_pid()")).scalar())
            os.write(writer, answer.encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    theirs = int(os.read(reader, 20))
    os.close(reader)
    os.close(writer)
    assert theirs != mine
    with database.begin(postgres_url) as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar() == mine
