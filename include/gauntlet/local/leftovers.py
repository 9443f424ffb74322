"""Finds and ends every process of a stack, also when the supervisor that started them was killed.

A process is the stack's when its environment names the state folder, or when it belongs to the session of the
stack's supervisord, or when it descends from such a process. The environment alone does not do: PostgreSQL's
backends and Airflow's workers write their titles over it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gauntlet.local.programs import MARKER

if TYPE_CHECKING:
    import psutil


@dataclass(frozen=True)
class Seen:
    """What is known of one process: enough to tell whose it is."""

    pid: int
    parent: int
    session: int
    stack: str | None


def belonging(seen: Iterable[Seen], state: str, session: int | None, spared: Iterable[int] = ()) -> set[int]:
    """Which of the processes seen are the stack's.

    :param state: the state folder, as in the marker.
    :param session: the session that supervisord made, if known.
    :param spared: process ids that never count, nor do their descendants by way of them: the caller and those above.
    """
    kept = set(spared)
    everyone = [each for each in seen if each.pid not in kept]
    ours = {each.pid for each in everyone if each.stack == state or (session is not None and each.session == session)}
    while grown := {each.pid for each in everyone if each.parent in ours} - ours:
        ours |= grown
    return ours


def find(state: Path, session: int | None) -> list[psutil.Process]:
    """The stack's processes, without the caller and its ancestors (a shell may carry the marker itself)."""
    import psutil

    processes: dict[int, psutil.Process] = {}
    seen: list[Seen] = []
    for process in psutil.process_iter(["pid", "ppid", "status"]):
        if process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        processes[process.pid] = process
        seen.append(Seen(process.pid, process.info["ppid"], _session_of(process.pid), _stack_of(process)))
    me = psutil.Process()
    spared = [me.pid, *(parent.pid for parent in me.parents())]
    return [processes[pid] for pid in sorted(belonging(seen, str(state), session, spared))]


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return -1


def _stack_of(process: psutil.Process) -> str | None:
    import psutil

    try:
        return process.environ().get(MARKER)
    except (psutil.Error, OSError):
        return None


def end_all(state: Path, session: int | None, patience_seconds: float = 5) -> list[str]:
    """End every process of the stack: first politely, PostgreSQL last, then by force.

    :returns: the names of the processes that were there.
    :raises RuntimeError: some cannot be ended, which only other accounts' processes can cause.
    """
    import psutil

    found = find(state, session)
    names = [_name(process) for process in found]
    databases = [process for process, name in zip(found, names, strict=True) if name.startswith("postgres")]
    others = [process for process in found if process not in databases]
    _send(others, signal.SIGTERM)
    psutil.wait_procs(others, timeout=patience_seconds)
    _send(databases, signal.SIGINT)  # PostgreSQL's fast shutdown; SIGTERM waits for its clients
    psutil.wait_procs(databases, timeout=patience_seconds)
    for _ in range(5):  # what is killed may have started another meanwhile
        remaining = find(state, session)
        if not remaining:
            return names
        _send(remaining, signal.SIGKILL)
        psutil.wait_procs(remaining, timeout=2)
    raise RuntimeError(f"These processes of {state} cannot be ended: {[each.pid for each in find(state, session)]}")


def _name(process: psutil.Process) -> str:
    import psutil

    try:
        return process.name()
    except psutil.Error:
        return "gone"


def _send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    import psutil

    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
