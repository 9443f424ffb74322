"""The embedded PostgreSQL: who may enter, what survives, where it lives."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from gauntlet.local import postgres


def test_a_fresh_database_answers(database_url: str) -> None:
    engine = sqlalchemy.create_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT 1")).scalar() == 1
    engine.dispose()


def test_nobody_enters_without_the_password(postgres_server: postgres.Server) -> None:
    intruder = postgres.Server(postgres_server.port, "guess")
    assert "password authentication failed" in (postgres.problem_of(intruder) or "")


def test_each_database_is_closed_to_the_other_roles(postgres_server: postgres.Server) -> None:
    passwords = {"room_a": "first p/ssw:rd", "room_b": "second"}
    postgres.ensure_databases(postgres_server, passwords)
    with psycopg.connect(postgres_server.url("room_a", user="room_a", password=passwords["room_a"])) as own:
        assert own.execute("SELECT current_user").fetchone() == ("room_a",)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(postgres_server.url("room_b", user="room_a", password=passwords["room_a"]))


def test_preparing_databases_again_keeps_them_and_renews_the_password(
    postgres_server: postgres.Server,
) -> None:
    postgres.ensure_databases(postgres_server, {"room_c": "old"})
    with psycopg.connect(postgres_server.url("room_c", user="room_c", password="old")) as connection:
        connection.execute("CREATE TABLE kept (n int)")
    postgres.ensure_databases(postgres_server, {"room_c": "new"})
    with psycopg.connect(postgres_server.url("room_c", user="room_c", password="new")) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_what_a_killed_initdb_left_behind_is_made_anew(tmp_path: Path) -> None:
    state = tmp_path / "postgres"
    home = postgres.prepare_home(state, outside=[Path("/tmp")])
    try:
        assert postgres.initialise(home, "one")
        assert not postgres.initialise(home, "one")
        home.data.with_name("data.unfinished").touch()
        (home.data / "PG_VERSION").unlink()
        assert postgres.initialise(home, "one")
        assert (home.data / "PG_VERSION").read_text().strip() == str(postgres.MAJOR_VERSION)
    finally:
        postgres.forget_home(state)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a home outside the state folder")
class TestAsRoot:
    def test_the_data_lies_where_nobody_may_enter_it(self, tmp_path: Path) -> None:
        home = postgres.prepare_home(tmp_path / "postgres", outside=[Path("/tmp")])
        try:
            assert home.account is not None
            assert postgres.open_to_everyone(home.data.parent)
            assert home.data.stat().st_uid == home.account.uid
            assert home.data.stat().st_mode & 0o077 == 0
            assert postgres.prepare_home(tmp_path / "postgres", outside=[Path("/tmp")]) == home
        finally:
            postgres.forget_home(tmp_path / "postgres")
        assert not home.data.exists()

    def test_a_deleted_state_folder_takes_its_old_data_with_it(self, tmp_path: Path) -> None:
        state = tmp_path / "postgres"
        first = postgres.prepare_home(state, outside=[Path("/tmp")])
        (state / "home").unlink()
        second = postgres.prepare_home(state, outside=[Path("/tmp")])
        try:
            assert first.data != second.data
            assert not first.data.exists()
        finally:
            postgres.forget_home(state)

    def test_binaries_that_nobody_can_reach_are_copied_without_widening_a_permission(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        installation = postgres._copy_installation(postgres.wheel_installation(), closed / "site-packages")
        monkeypatch.setattr(postgres, "wheel_installation", lambda: installation)
        state = tmp_path / "postgres"
        home = postgres.prepare_home(state, outside=[Path("/tmp")])
        try:
            assert home.installation != installation
            assert postgres.initialise(home, "secret")
            assert closed.stat().st_mode & 0o077 == 0
        finally:
            postgres.forget_home(state)
