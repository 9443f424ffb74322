"""Serves `kubectl exec`: a websocket's channels on one side, a process's streams on the other.

Format: v4.channel.k8s.io and v5.channel.k8s.io. The first byte of a message is its channel: 0 stdin, 1 stdout,
2 stderr, 3 the final Status, 4 the terminal's size; in v5, 255 closes the channel named by the next byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import pty
import struct
import termios
from dataclasses import replace
from typing import Any

from aiohttp import WSMsgType, web

from gauntlet.local.devcluster.api.streams import ExecOptions
from gauntlet.local.devcluster.node.container import Prepared
from gauntlet.local.devcluster.node.runtime import Process, Runtime, StartError

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
READ_BYTES = 32 * 1024


def final_status(code: int) -> dict[str, Any]:
    """Return the Status that ends an exec."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: error executing command, exit code {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }  # fmt: skip


def start_failure(problem: str) -> dict[str, Any]:
    """Return the Status of a command that could not be started."""
    message = (
        f"Internal error occurred: error executing command in container: failed to exec in container: OCI runtime exec "
        f"failed: exec failed: unable to start container process: {problem}: unknown"
    )
    return {"metadata": {}, "status": "Failure", "reason": "InternalError", "message": message, "code": 500}


class Session:
    """One exec: starts the command, moves bytes both ways, reports how it ended."""

    def __init__(self, socket: web.WebSocketResponse, options: ExecOptions) -> None:
        self._socket = socket
        self._options = options
        self._ours: list[int] = []
        self._theirs: list[int] = []
        self._stdin: asyncio.StreamWriter | None = None

    async def run(self, runtime: Runtime, prepared: Prepared) -> None:
        """Serve the exec to its end; the process dies with the client's connection."""
        self._open()
        streams = tuple(self._theirs)
        command = prepared.within(self._options.command, streams=streams, tty=self._options.tty)
        if self._options.tty:
            command = replace(command, env={"TERM": "xterm", **command.env})
        try:
            process = await runtime.spawn(command)
        except StartError as problem:
            await self._finish(start_failure(str(problem)))
            return
        finally:
            for descriptor in set(self._theirs):
                os.close(descriptor)
        await self._serve(process)

    def _open(self) -> None:
        if self._options.tty:
            master, slave = pty.openpty()
            self._ours, self._theirs = [master], [slave, slave, slave]
            return
        stdin_read, stdin_write = os.pipe()
        out_read, out_write = os.pipe()
        error_read, error_write = os.pipe()
        self._ours, self._theirs = [stdin_write, out_read, error_read], [stdin_read, out_write, error_write]

    async def _serve(self, process: Process) -> None:
        try:
            if self._options.tty:
                outputs = [self._copy_terminal(self._ours[0])]
            else:
                outputs = [self._copy(self._ours[1], STDOUT), self._copy(self._ours[2], STDERR)]
                await self._connect_stdin()
            reading = asyncio.create_task(self._read_socket())
            ending = asyncio.create_task(self._end(process, outputs))
            done, _ = await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
            if ending in done:
                await self._finish(final_status(ending.result()))
            else:
                process.close()
            for task in (reading, ending):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await task
        finally:
            process.close()
            self._close()

    async def _end(self, process: Process, outputs: list[Any]) -> int:
        copying = asyncio.gather(*outputs)
        ended = await process.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(copying, 5)
        return ended.code

    async def _finish(self, status: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):
            await self._socket.send_bytes(bytes([STATUS]) + json.dumps(status).encode())

    async def _connect_stdin(self) -> None:
        if not self._options.stdin:
            os.close(self._ours[0])
            return
        loop = asyncio.get_running_loop()
        pipe = os.fdopen(self._ours[0], "wb", buffering=0)
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, pipe)
        self._stdin = asyncio.StreamWriter(transport, protocol, None, loop)

    async def _copy(self, descriptor: int, channel: int) -> None:
        reader = asyncio.StreamReader()
        pipe = os.fdopen(descriptor, "rb", buffering=0)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            while data := await reader.read(READ_BYTES):
                await self._socket.send_bytes(bytes([channel]) + data)
        finally:
            transport.close()

    async def _copy_terminal(self, master: int) -> None:
        """A terminal's end is an error (EIO), and its descriptor is also written to, so it is read by hand."""
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        os.set_blocking(master, False)
        loop.add_reader(master, readable.set)
        try:
            while True:
                await readable.wait()
                readable.clear()
                with contextlib.suppress(BlockingIOError):
                    data = os.read(master, READ_BYTES)
                    if not data:
                        return
                    await self._socket.send_bytes(bytes([STDOUT]) + data)
        except OSError as problem:
            if problem.errno != errno.EIO:
                raise
        finally:
            loop.remove_reader(master)

    async def _read_socket(self) -> None:
        async for message in self._socket:
            data = message.data.encode() if message.type is WSMsgType.TEXT else message.data
            if not data:
                continue
            if data[0] == STDIN:
                await self._write(data[1:])
            elif data[0] == RESIZE and self._options.tty:
                self._resize(data[1:])
            elif data[0] == CLOSE and data[1:2] == b"\x00":
                self._close_stdin()

    async def _write(self, data: bytes) -> None:
        if self._options.tty:
            with contextlib.suppress(OSError):
                os.write(self._ours[0], data)
        elif self._stdin is not None and not self._stdin.is_closing():
            self._stdin.write(data)
            with contextlib.suppress(ConnectionError):
                await self._stdin.drain()

    def _close_stdin(self) -> None:
        if self._stdin is not None:
            self._stdin.close()

    def _resize(self, data: bytes) -> None:
        with contextlib.suppress(ValueError, KeyError, OSError, struct.error):
            size = json.loads(data)
            packed = struct.pack("HHHH", size["Height"], size["Width"], 0, 0)
            fcntl.ioctl(self._ours[0], termios.TIOCSWINSZ, packed)

    def _close(self) -> None:
        self._close_stdin()
        if self._options.tty:
            os.close(self._ours[0])
