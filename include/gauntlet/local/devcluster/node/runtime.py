"""Starts and stops containers through the keeper process of ``shim``; knows processes, not pods.

Every container gets a socket of its own to its shim. The keeper dying means that the node is dead: `died` is set
and devcluster ends, which makes every shim kill what it holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

SHIM = Path(__file__).with_name("shim.py")
LOG_LIMIT_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Command:
    """What to start: `log` is the file for its output, else `streams` are its stdin, stdout and stderr."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    log: Path | None = None
    memory_limit_bytes: int | None = None
    tty: bool = False
    streams: tuple[int, ...] = field(default=())


@dataclass(frozen=True)
class Exit:
    """How a container's main process ended."""

    code: int
    out_of_memory: bool = False


class StartError(Exception):
    """The command could not be started; the message is the runtime's."""


class Process:
    """A running container or exec."""

    def __init__(self, link: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._link = link
        self._reader = reader
        self._writer = writer
        self.pid = 0

    async def started(self) -> None:
        """Wait until the command runs. Raises StartError."""
        message = await self._message()
        if message is None or message["event"] != "started":
            self.close()
            raise StartError(message["error"] if message else "the container's keeper died")
        self.pid = message["pid"]

    async def wait(self) -> Exit:
        """Wait for the end of the main process and of everything it started."""
        message = await self._message()
        self.close()
        if message is None:
            return Exit(137)
        return Exit(message["code"], message["oom"])

    def signal(self, number: int) -> None:
        """Signal the main process (SIGKILL ends all of the container)."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps({"signal": int(number)}).encode() + b"\n")

    def close(self) -> None:
        """Let go of the container; if it still runs, its shim kills it."""
        self._writer.close()

    async def _message(self) -> dict[str, Any] | None:
        with contextlib.suppress(ConnectionError):
            line = await self._reader.readline()
            if line:
                message: dict[str, Any] = json.loads(line)
                return message
        return None


class Runtime:
    """The keeper's client."""

    def __init__(self) -> None:
        self._keeper: asyncio.subprocess.Process | None = None
        self._connection: socket.socket | None = None
        self.died = asyncio.Event()

    async def start(self) -> None:
        """Start the keeper."""
        ours, theirs = socket.socketpair()
        interpreter = getattr(sys, "_base_executable", sys.executable)
        self._keeper = await asyncio.create_subprocess_exec(
            interpreter, "-I", "-S", str(SHIM), str(theirs.fileno()),
            pass_fds=[theirs.fileno()], start_new_session=True, stdin=DEVNULL,
            env={"LANG": os.environ.get("LANG", "C.UTF-8")}, cwd="/",
        )  # fmt: skip
        theirs.close()
        self._connection = ours
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        assert self._keeper is not None  # noqa: S101
        await self._keeper.wait()
        self.died.set()

    async def stop(self) -> None:
        """End the keeper; every container's shim kills what it holds when its own socket closes."""
        if self._connection is not None:
            self._connection.close()
        if self._keeper is not None:
            await self._watcher

    async def spawn(self, command: Command) -> Process:
        """Start a command. Raises StartError when it cannot be executed."""
        if self._connection is None or self.died.is_set():
            raise StartError("the node is shutting down")
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._connection, [b"x"], [theirs.fileno(), *command.streams])
        except OSError as problem:
            ours.close()
            raise StartError(f"the keeper of containers does not answer: {problem}") from problem
        finally:
            theirs.close()
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours)
        order = {
            "argv": command.argv, "env": command.env, "cwd": command.cwd, "tty": command.tty,
            "log": str(command.log) if command.log else None, "log_bytes": LOG_LIMIT_BYTES,
            "memory_bytes": command.memory_limit_bytes,
        }  # fmt: skip
        writer.write(json.dumps(order).encode() + b"\n")
        process = Process(ours, reader, writer)
        try:
            await process.started()
        except asyncio.CancelledError:
            process.close()
            raise
        return process
