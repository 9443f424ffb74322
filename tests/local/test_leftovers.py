"""No process of a stack outlives it, and no other process is touched."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.local import leftovers
from gauntlet.local.leftovers import Seen

PIDS = st.integers(2, 12)


@st.composite
def process_tables(draw: st.DrawFn) -> list[Seen]:
    pids = draw(st.lists(PIDS, unique=True, min_size=1))
    stacks = st.sampled_from([None, "/ours", "/theirs"])
    return [Seen(pid, draw(PIDS | st.just(1)), draw(st.sampled_from([50, 60])), draw(stacks)) for pid in pids]


@given(table=process_tables())
def test_marked_processes_and_their_descendants_belong_and_nothing_else(table: list[Seen]) -> None:
    ours = leftovers.belonging(table, "/ours", session=None)
    by_pid = {each.pid: each for each in table}
    for each in table:
        if each.pid in ours:
            assert each.stack == "/ours" or each.parent in ours
        else:
            assert each.stack != "/ours"
            assert each.parent not in ours
    assert ours <= set(by_pid)


@given(table=process_tables(), session=st.sampled_from([50, 60]))
def test_the_supervisors_session_belongs_even_when_the_marker_is_overwritten(table: list[Seen], session: int) -> None:
    ours = leftovers.belonging(table, "/ours", session)
    assert {each.pid for each in table if each.session == session} <= ours


@given(table=process_tables(), spared=st.sets(PIDS))
def test_the_caller_and_those_above_it_are_spared(table: list[Seen], spared: set[int]) -> None:
    assert leftovers.belonging(table, "/ours", 50, spared).isdisjoint(spared)


def test_a_detached_process_that_ignores_sigterm_is_ended_with_its_children(tmp_path: Path) -> None:
    stubborn = (
        "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen(['sleep', '600'], env={}, start_new_session=True);"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    env = {**os.environ, "GAUNTLET_STACK": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", stubborn], env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        ended = leftovers.end_all(tmp_path, session=None, patience_seconds=0.3)
        assert len(ended) == 2
        assert not _lives(process.pid)
    assert not _lives(child)
    assert leftovers.find(tmp_path, session=None) == []


def test_another_stacks_process_is_left_alone(tmp_path: Path) -> None:
    env = {**os.environ, "GAUNTLET_STACK": str(tmp_path / "theirs")}
    with subprocess.Popen(["sleep", "600"], env=env) as process:
        try:
            assert leftovers.end_all(tmp_path / "ours", session=None) == []
            assert process.poll() is None
        finally:
            process.kill()


def _lives(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.02)
    return True
