"""Migrations lead to the tables that the code knows, from several processes at once too, and back."""

from __future__ import annotations

import logging
import subprocess
import sys

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from gauntlet.storage import migrations
from gauntlet.storage.tables import metadata

HEAD = "0001"


def test_an_empty_database_has_no_revision_and_an_upgraded_one_has_the_latest(database_url: str) -> None:
    assert migrations.current(database_url) is None
    migrations.upgrade(database_url)
    assert migrations.current(database_url) == HEAD
    migrations.upgrade(database_url)
    assert migrations.current(database_url) == HEAD


def test_the_migrations_make_exactly_the_tables_that_the_code_knows(database_url: str) -> None:
    migrations.upgrade(database_url)
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": migrations.VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        checks = {
            (table, check["name"])
            for table in metadata.tables
            for check in inspect(connection).get_check_constraints(table)
        }
    assert {name for _, name in checks} >= {"ck_test_executions_state", "ck_test_results_status"}


def test_everything_can_be_taken_back(database_url: str) -> None:
    migrations.upgrade(database_url)
    migrations.downgrade(database_url, "base")
    engine = create_engine(database_url, poolclass=NullPool)
    assert inspect(engine).get_table_names() == [migrations.VERSION_TABLE]
    migrations.upgrade(database_url)
    assert migrations.current(database_url) == HEAD


def test_several_processes_may_upgrade_at_once(database_url: str) -> None:
    script = "import sys; from gauntlet.storage import migrations; migrations.upgrade(sys.argv[1])"
    started = [
        subprocess.Popen([sys.executable, "-c", script, database_url], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [(process.communicate(timeout=60)[1], process.returncode) for process in started]
    assert [code for _, code in ended] == [0, 0, 0], ended
    assert migrations.current(database_url) == HEAD


def test_logging_is_left_as_it_was(database_url: str) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("gauntlet").disabled)
    migrations.upgrade(database_url)
    assert (root.level, list(root.handlers), logging.getLogger("gauntlet").disabled) == before
