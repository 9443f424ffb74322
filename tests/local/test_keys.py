"""Generated passwords: made once, closed, never shown."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from gauntlet.local.keys import load_or_create, write_private
from gauntlet.local.paths import StackPaths


def test_keys_are_made_once_and_differ_from_one_another(tmp_path: Path) -> None:
    paths = StackPaths(tmp_path / "state")
    paths.make()
    first = load_or_create(paths)
    assert load_or_create(paths) == first
    assert len(set(asdict(first).values())) == len(asdict(first))


def test_key_files_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    paths = StackPaths(tmp_path / "state")
    paths.make()
    keys = load_or_create(paths)
    for file in paths.secrets.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    assert paths.admin_password.read_text().strip() == keys.airflow_admin


def test_keys_are_not_in_their_text(tmp_path: Path) -> None:
    paths = StackPaths(tmp_path / "state")
    paths.make()
    keys = load_or_create(paths)
    assert not any(value in f"{keys!r} {keys}" for value in asdict(keys).values())


def test_a_file_that_was_open_to_others_is_closed_even_when_its_text_stays(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("same")
    file.chmod(0o644)
    write_private(file, "same")
    assert file.stat().st_mode & 0o777 == 0o600
