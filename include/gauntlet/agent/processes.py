"""Starting the test tool so that all of it can be measured, stopped and reaped.

The agent becomes the subreaper of everything the tool starts: a process that leaves the tool's group or session
still ends up as our descendant, is found in ``/proc`` and is killed with the rest. One thread waits for all children;
nothing else may wait, or exit codes go astray.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
KILL_DEADLINE_SECONDS = 10.0

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Usage(NamedTuple):
    """What a tree of processes used: CPU seconds so far, resident bytes now."""

    cpu_seconds: float
    memory_bytes: int


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends. Where the kernel refuses, groups must do."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Tool:
    """The running test tool.

    :param command: program and arguments.
    :param env: all of its environment.
    :param cwd: its working directory.
    :raises OSError: when it cannot be started.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        prctl = ctypes.CDLL(None).prctl

        def dies_with_us() -> None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

        self._process = subprocess.Popen(
            list(command),
            env=dict(env),
            cwd=str(cwd),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=dies_with_us,  # noqa: PLW1509  (no thread is running yet)
        )
        assert self._process.stdout is not None  # noqa: S101  (asked for above)
        self.output: IO[bytes] = self._process.stdout
        self.pid = self._process.pid
        self.exit_code: int | None = None
        self._ended = threading.Event()
        self._waiter = threading.Thread(target=self._wait_for_all, name="waiter", daemon=True)

    def watch(self, wake: threading.Event) -> None:
        """Start waiting; ``wake`` is set when the tool has ended."""
        self._wake = wake
        self._waiter.start()

    @property
    def ended(self) -> bool:
        """Whether the tool itself has ended; what it started may still run."""
        return self._ended.is_set()

    def _wait_for_all(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, 0)
            except ChildProcessError:
                break
            if pid == self.pid:
                self.exit_code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                self._process.returncode = self.exit_code
                self._ended.set()
                self._wake.set()

    def terminate(self) -> None:
        """Ask the tool's group to end."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGTERM)

    def kill_all(self) -> bool:
        """Kill whatever is left of the tool, wherever it went.

        :returns: whether nothing is left.
        """
        deadline = time.monotonic() + KILL_DEADLINE_SECONDS
        while time.monotonic() < deadline:
            left = descendants(os.getpid())
            if not left:
                self._waiter.join(timeout=1.0)
                return True
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            self._waiter.join(timeout=0.02)
        return False


def descendants(root: int) -> list[int]:
    """The processes below one, zombies included."""
    children = _children_by_proc(root)
    return _all_below(root) if children is None else children


def _children_by_proc(root: int) -> list[int] | None:
    """Descend along ``/proc/<pid>/task/<tid>/children``; None where the kernel lacks it."""
    if not Path(f"/proc/{root}/task/{root}/children").exists():
        return None
    found: list[int] = []
    seen: set[int] = {root}
    queue = [root]
    while queue:
        pid = queue.pop()
        for child in _children(pid):
            if child not in seen:
                seen.add(child)
                found.append(child)
                queue.append(child)
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208  (called every second)
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as opened:  # noqa: PTH123
                found.extend(int(word) for word in opened.read().split())
    return found


def _all_below(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            fields = _stat(int(name))
            if fields:
                parents[int(name)] = int(fields[1])
    found: list[int] = []
    queue = [root]
    while queue:
        pid = queue.pop()
        below = [child for child, parent in parents.items() if parent == pid]
        found.extend(below)
        queue.extend(below)
    return found


def _stat(pid: int) -> list[bytes]:
    """The fields of ``/proc/<pid>/stat`` from the state on (field 3 of proc(5)); empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as opened:  # noqa: PTH123
            return opened.read().rpartition(b")")[2].split()
    except OSError:
        return []


def usage() -> Usage:
    """What the tool's tree uses: the living from ``/proc``, the dead from the kernel's account of our children."""
    gone = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = gone.ru_utime + gone.ru_stime
    memory = 0
    for pid in descendants(os.getpid()):
        fields = _stat(pid)
        if len(fields) > 21:
            cpu += sum(int(value) for value in fields[11:15]) / _TICKS
            memory += int(fields[21]) * _PAGE_BYTES
    return Usage(cpu, memory)
