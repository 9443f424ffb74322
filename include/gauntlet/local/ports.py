"""Which TCP ports of loopback the embedded services listen on, and who holds one that is busy.

A port once chosen is kept in stack.json, so that kubeconfigs and URLs stay valid from one start to the next.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gauntlet.errors import GauntletError
from gauntlet.local.programs import MARKER

if TYPE_CHECKING:
    import psutil

LOOPBACK = "127.0.0.1"
DEFAULT_UI_PORT = 8080


class PortError(GauntletError):
    """GAUNTLET_PORT is no port."""


@dataclass(frozen=True)
class Ports:
    """The ports of one stack."""

    ui: int
    postgres: int
    devcluster: int


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now."""
    with socket.socket() as probe:
        # As servers do it, so that connections in TIME_WAIT of a stack just stopped do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def ui_port(env: Mapping[str, str]) -> int:
    """The port of Airflow's UI: GAUNTLET_PORT, by default 8080.

    :raises PortError: GAUNTLET_PORT is no number between 1 and 65535.
    """
    text = env.get("GAUNTLET_PORT", "").strip()
    if not text:
        return DEFAULT_UI_PORT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise PortError(f"found {text!r}, expected a number between 1 and 65535", where="GAUNTLET_PORT")
    return int(text)


def keep_or_choose(
    previous: int | None,
    *,
    ours: bool,
    free: Callable[[int], bool] = is_free,
    choose: Callable[[], int] = any_free,
) -> int:
    """The port a service had, as long as it can have it; else another.

    :param previous: the port of the last start, if there was one.
    :param ours: whether the service itself listens there now.
    """
    if previous is not None and (ours or free(previous)):
        return previous
    return choose()


@dataclass(frozen=True)
class Holder:
    """The process that listens on a port."""

    pid: int
    name: str
    session: int | None
    stack: str | None  # the state folder of the Gauntlet stack it belongs to


def holder_of(port: int) -> Holder | None:
    """Who listens on this port; None when nobody does or it is another account's process."""
    import psutil

    for process in psutil.process_iter(["pid", "name"]):
        try:
            connections = process.net_connections(kind="tcp")
            if any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections):
                return Holder(process.pid, process.name(), os.getsid(process.pid), _stack_of(process))
        except (psutil.Error, OSError):
            continue
    return None


def _stack_of(process: psutil.Process) -> str | None:
    """The marker of a process or of the nearest one above it: servers write their titles over their own."""
    import psutil

    for each in (process, *process.parents()):
        try:
            stack = each.environ().get(MARKER)
        except (psutil.Error, OSError):
            continue
        if stack:
            return stack
    return None
