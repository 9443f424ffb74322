"""Containers as processes: how they start and end, and that nothing of them survives."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from gauntlet.local.devcluster.node.runtime import Command, Exit, Runtime, StartError

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    found = Runtime()
    await found.start()
    yield found
    await found.stop()


def shell(script: str, log: Path, **options: int) -> Command:
    return Command(["sh", "-c", script], ENVIRONMENT, str(log.parent), log=log, **options)  # type: ignore[arg-type]


def texts(log: Path) -> list[str]:
    return [line.split(" ", 3)[3] for line in log.read_text().splitlines()]


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and mark in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def until_gone(mark: str) -> None:
    deadline = time.monotonic() + 10
    while left := marked(mark):
        assert time.monotonic() < deadline, left
        time.sleep(0.01)


async def test_output_is_logged_by_stream_and_the_exit_code_told(runtime: Runtime, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = await runtime.spawn(shell("echo out; echo err >&2; printf rest; exit 7", log))
    assert await process.wait() == Exit(7)
    assert sorted(texts(log)) == ["err", "out", "rest"]
    assert "stderr F err" in log.read_text()


async def test_death_by_signal_is_128_and_the_signal(runtime: Runtime, tmp_path: Path) -> None:
    process = await runtime.spawn(shell("sleep 100", tmp_path / "log"))
    process.signal(signal.SIGTERM)
    assert await process.wait() == Exit(143)


@pytest.mark.parametrize(
    ("command", "message"),
    [("no-such-thing", 'exec: "no-such-thing": executable file not found in $PATH'),
     ("/no/such", "stat /no/such: no such file or directory"), ("/etc/passwd", "permission denied")],
)  # fmt: skip
async def test_what_cannot_start_says_why(runtime: Runtime, tmp_path: Path, command: str, message: str) -> None:
    with pytest.raises(StartError) as problem:
        await runtime.spawn(Command([command], ENVIRONMENT, "/", log=tmp_path / "log"))
    assert message in str(problem.value)


async def test_processes_that_ran_away_end_with_the_container(runtime: Runtime, tmp_path: Path) -> None:
    mark = f"4{secrets.randbelow(10**9):09d}"
    process = await runtime.spawn(
        shell(f"setsid sleep {mark} & (setsid sh -c 'sleep {mark}' &) ; exit 0", tmp_path / "log")
    )
    assert await process.wait() == Exit(0)
    assert not marked(mark)


async def test_a_tree_over_its_memory_limit_is_killed(runtime: Runtime, tmp_path: Path) -> None:
    hog = "x = bytearray(150 * 2**20); import time; time.sleep(60)"
    script = f'{sys.executable} -c "{hog}" & wait'
    process = await runtime.spawn(shell(script, tmp_path / "log", memory_limit_bytes=60 * 2**20))
    async with asyncio.timeout(30):
        assert await process.wait() == Exit(137, out_of_memory=True)


async def test_a_log_is_capped(runtime: Runtime, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = await runtime.spawn(shell("yes 0123456789012345678901234567890123456789 | head -c 25000000", log))
    assert (await process.wait()).code == 0
    sizes = [file.stat().st_size for file in (log, log.with_name("log.1"))]
    assert sum(sizes) <= 21 * 2**20
    assert max(sizes) <= 10 * 2**20 + 2**17


async def test_letting_go_of_a_container_kills_it(runtime: Runtime, tmp_path: Path) -> None:
    mark = f"5{secrets.randbelow(10**9):09d}"
    process = await runtime.spawn(shell(f"setsid sleep {mark} & sleep {mark}", tmp_path / "log"))
    process.close()
    await asyncio.to_thread(until_gone, mark)


async def test_a_killed_shim_takes_its_container_along(runtime: Runtime, tmp_path: Path) -> None:
    mark = f"6{secrets.randbelow(10**9):09d}"
    process = await runtime.spawn(shell(f"setsid sleep {mark} & sleep {mark}", tmp_path / "log"))
    psutil.Process(process.pid).parent().kill()  # type: ignore[union-attr]
    assert await process.wait() == Exit(137)
    await asyncio.to_thread(until_gone, mark)


async def test_the_keeper_s_death_is_noticed_and_starts_nothing_more(tmp_path: Path) -> None:
    runtime = Runtime()
    await runtime.start()
    process = await runtime.spawn(shell("sleep 50", tmp_path / "log"))
    keeper = psutil.Process(process.pid).parent().parent()  # type: ignore[union-attr]
    assert keeper is not None
    keeper.kill()
    async with asyncio.timeout(10):
        await runtime.died.wait()
    with pytest.raises(StartError, match="shutting down"):
        await runtime.spawn(shell("true", tmp_path / "log"))
    process.close()
    await runtime.stop()


def test_nothing_survives_the_killing_of_its_master(tmp_path: Path) -> None:
    mark = f"7{secrets.randbelow(10**9):09d}"
    program = tmp_path / "master.py"
    program.write_text(f"""
import asyncio, pathlib
from gauntlet.local.devcluster.node.runtime import Command, Runtime
async def main():
    runtime = Runtime()
    await runtime.start()
    script = "setsid sleep {mark} & (setsid sh -c 'sleep {mark}; true' &) ; sleep {mark}"
    command = Command(["sh", "-c", script], {ENVIRONMENT!r}, "/", log=pathlib.Path({str(tmp_path / "log")!r}))
    process = await runtime.spawn(command)
    print("started", flush=True)
    await process.wait()
asyncio.run(main())
""")
    master = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE)
    assert master.stdout is not None
    assert master.stdout.readline() == b"started\n"
    deadline = time.monotonic() + 10
    while len(marked(mark)) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(master.pid, signal.SIGKILL)
    master.wait()
    master.stdout.close()
    until_gone(mark)
