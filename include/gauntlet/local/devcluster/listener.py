"""One port on loopback for both HTTPS and HTTP.

kubectl sends its token over TLS only; a health check wants plain HTTP and no certificate. A connection's first byte
says which it is: 22 begins a TLS handshake. Authentication is the same on both.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable

FIRST_BYTE_SECONDS = 30.0
ACCEPT_AGAIN_SECONDS = 0.1
TLS_HANDSHAKE = b"\x16"
_log = logging.getLogger(__name__)


def open_socket(host: str, port: int) -> socket.socket:
    """Listen on host and port (0 chooses). Raises OSError when the port is taken."""
    listening = socket.create_server((host, port), backlog=512)
    listening.setblocking(False)
    return listening


async def serve(
    listening: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], context: ssl.SSLContext
) -> None:
    """Accept connections until cancelled."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    try:
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as problem:
                _log.warning("a connection could not be accepted: %s", problem)
                await asyncio.sleep(ACCEPT_AGAIN_SECONDS)
                continue
            task = asyncio.create_task(_hand_over(connection, protocol, context))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for task in tasks:
            task.cancel()


async def _hand_over(
    connection: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], context: ssl.SSLContext
) -> None:
    loop = asyncio.get_running_loop()
    try:
        await asyncio.wait_for(_readable(connection), FIRST_BYTE_SECONDS)
        first = connection.recv(1, socket.MSG_PEEK)
        secure = context if first == TLS_HANDSHAKE else None
        await loop.connect_accepted_socket(protocol, connection, ssl=secure)
    except (OSError, TimeoutError, asyncio.CancelledError):
        with contextlib.suppress(OSError):
            connection.close()


async def _readable(connection: socket.socket) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    connection.setblocking(False)
    loop.add_reader(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection)
