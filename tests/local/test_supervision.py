"""supervisord: what it is told, and that it really restarts what crashes."""

from __future__ import annotations

import configparser
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions

from gauntlet.local import leftovers
from gauntlet.local.keys import write_private
from gauntlet.local.paths import StackPaths
from gauntlet.local.programs import Program
from gauntlet.local.supervision import Supervisor, order_file, render_config

ENV = {"PATH": "/usr/bin:/bin"}


def sleeper(name: str, cwd: Path) -> Program:
    env = {**ENV, "SECRET": "hidden-value"}
    return Program(name, ("/bin/sleep", "600"), env=env, surroundings={}, cwd=cwd, start_seconds=0)


@pytest.fixture
def paths(tmp_path: Path) -> StackPaths:
    made = StackPaths(tmp_path / "a folder with 100 % $pecial name")
    made.make()
    return made


@pytest.fixture
def supervisor(paths: StackPaths) -> Iterator[Supervisor]:
    made = Supervisor(paths, "password")
    program = sleeper("sleeper", paths.state)
    made.configure([program])
    write_private(order_file(paths, program.name), program.order())
    made.start(ENV)
    pid = made.pid()
    yield made
    leftovers.end_all(paths.state, pid)


def test_supervisord_reads_the_configuration_as_it_is_meant(paths: StackPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(paths.state)
    text = render_config(paths, [sleeper("sleeper", paths.state)], socket=paths.socket(), password="pa%ss")
    file = paths.run / "supervisord.conf"
    file.write_text(text)
    options = ServerOptions()
    options.realize(["-c", str(file)])
    (group,) = options.process_group_configs
    (program,) = group.process_configs
    assert str(order_file(paths, "sleeper")) in program.command
    assert (program.autostart, program.stopsignal) == (False, signal.SIGTERM)
    assert Path(program.stdout_logfile).absolute() == paths.log_of("sleeper")
    assert options.server_configs[0]["password"] == "pa%ss"


def test_the_configuration_holds_no_programs_environment(paths: StackPaths) -> None:
    text = render_config(paths, [sleeper("sleeper", paths.state)], socket=paths.socket(), password="x")
    assert "hidden-value" not in text


def test_an_event_listeners_output_is_not_mixed_with_its_log(paths: StackPaths) -> None:
    listener = Program("ear", ("/bin/cat",), env={}, surroundings={}, cwd=paths.state, listens_to="PROCESS_STATE")
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(render_config(paths, [listener], socket=paths.socket(), password="x"))
    section = parser["eventlistener:ear"]
    assert "redirect_stderr" not in section
    assert section["events"] == "PROCESS_STATE"


@pytest.mark.slow
def test_what_is_killed_comes_back_and_what_is_stopped_does_not(supervisor: Supervisor) -> None:
    supervisor.start_program("sleeper")
    first = eventually(lambda: supervisor.states()["sleeper"].pid)
    os.kill(first, signal.SIGKILL)
    second = eventually(lambda: (pid := supervisor.states()["sleeper"].pid) != first and pid)
    assert second
    supervisor.begin_stop("sleeper")
    supervisor.wait_stopped(["sleeper"], timeout_seconds=10)
    assert not supervisor.states()["sleeper"].running


@pytest.mark.slow
def test_starting_twice_and_stopping_twice_is_no_error(supervisor: Supervisor) -> None:
    supervisor.start_program("sleeper")
    eventually(lambda: supervisor.states()["sleeper"].state == "RUNNING")
    supervisor.start_program("sleeper")
    supervisor.begin_stop("sleeper")
    supervisor.wait_stopped(["sleeper"], timeout_seconds=10)
    supervisor.begin_stop("sleeper")


@pytest.mark.slow
def test_shutdown_ends_supervisord_and_its_programs(supervisor: Supervisor, paths: StackPaths) -> None:
    supervisor.start_program("sleeper")
    eventually(lambda: supervisor.states()["sleeper"].pid)
    pid = supervisor.pid()
    supervisor.shutdown()
    assert not supervisor.alive()
    assert leftovers.find(paths.state, pid) == []


@pytest.mark.slow
def test_without_the_password_supervisord_tells_nothing(supervisor: Supervisor, paths: StackPaths) -> None:
    assert supervisor.alive()
    intruder = Supervisor(paths, "guess")
    assert not intruder.alive()
    assert intruder.states() == {}


def eventually(probe: Callable[[], Any], timeout_seconds: float = 10) -> Any:
    deadline = time.monotonic() + timeout_seconds
    while not (value := probe()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return value
