"""The state folder: closed to others, and usable however deep it lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gauntlet.local.paths import StackPaths, StateFolderError, project_root, stack_paths


def test_nobody_else_may_enter_the_state_folder(tmp_path: Path) -> None:
    paths = StackPaths(tmp_path / "state")
    paths.make()
    for folder in (paths.state, paths.secrets, paths.run, paths.orders, paths.logs):
        assert folder.stat().st_mode & 0o077 == 0


def test_a_state_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    StackPaths(tmp_path / "state").make()
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFolderError, match=r"file/state: cannot be made .* Set GAUNTLET_HOME"):
        StackPaths(tmp_path / "file" / "state").make()


def test_a_socket_deep_down_moves_to_a_short_private_folder_and_stays_there(tmp_path: Path) -> None:
    paths = StackPaths(tmp_path / ("deep" * 30))
    paths.make()
    socket = paths.socket()
    try:
        assert len(os.fsencode(socket)) < 100
        assert socket.parent.stat().st_mode & 0o077 == 0
        assert paths.socket() == socket
    finally:
        socket.parent.rmdir()
    assert paths.socket() != socket, "a folder that is gone is replaced"
    paths.socket().parent.rmdir()


def test_a_short_path_keeps_its_socket_at_home() -> None:
    assert StackPaths(Path("/s")).socket() == Path("/s/run/supervisor.sock")


def test_the_state_lies_in_the_checkout_unless_gauntlet_home_says_otherwise(tmp_path: Path) -> None:
    assert stack_paths({}).state == project_root({}) / ".gauntlet"
    assert stack_paths({"GAUNTLET_HOME": str(tmp_path)}).state == tmp_path.resolve()


def test_a_project_without_dags_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateFolderError, match="has no dags/ and include/"):
        project_root({"GAUNTLET_PROJECT": str(tmp_path)})
