"""The process that holds containers: run as a script by a bare interpreter (``-I -S``), standard library only.

It exists so that no process of a container outlives devcluster, however either of them dies:

* One *keeper* is forked off devcluster. For each container (or exec) it forks a *shim*, cheap because it is small.
* A shim starts the container's command, writes its log, measures its memory and reports how it ended. It is the
  subreaper of everything below it, so processes that ran away with setsid come back to it and are killed.
* A shim whose socket closes (devcluster is gone, even by SIGKILL) kills what it holds. A shim that is itself
  killed takes its main process along (parent death signal) and leaves the rest to the keeper, which kills it.

Nothing else of Gauntlet may be imported here. Messages are JSON lines over a socket per container.
Log format: the Container Runtime Interface's, ``<RFC 3339> <stdout|stderr> <F|P> <text>``.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import sys
import termios
import time
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MEMORY_CHECK_SECONDS = 0.2
LINE_LIMIT_BYTES = 16 * 1024
READ_BYTES = 64 * 1024
STREAMS = ("stdout", "stderr")


def main(connection: socket.socket) -> None:
    """Keep containers until devcluster closes `connection`; each message carries a container's descriptors."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wake, shims = child_wakeups(), set[int]()
    while True:
        watched: list[Any] = [connection, wake]
        ready, _, _ = select.select(watched, [], [])
        if wake in ready:
            drain(wake)
            reap_shims(shims)
        if connection in ready:
            message, descriptors, _, _ = socket.recv_fds(connection, 1, 4)
            if not message:
                return
            pid = os.fork()
            if pid == 0:
                connection.close()
                run_shim(descriptors)
            shims.add(pid)
            for descriptor in descriptors:
                os.close(descriptor)


def reap_shims(shims: set[int]) -> None:
    """Forget shims that ended, then kill every process that is here only because its shim died."""
    while True:
        with contextlib.suppress(ChildProcessError):
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid:
                shims.discard(pid)
                continue
        break
    for pid in children(os.getpid()):
        if pid not in shims:
            kill(pid, signal.SIGKILL)


def run_shim(descriptors: list[int]) -> None:
    """Hold one container in a freshly forked process; never returns."""
    code = 1
    try:
        os.setsid()
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        link = socket.socket(fileno=descriptors[0])
        order = json.loads(link.makefile("r").readline())
        Shim(link, order, descriptors[1:]).run()
        code = 0
    finally:
        kill_everything()
        os._exit(code)


class Shim:
    """One container: its main process, its log, its memory."""

    def __init__(self, link: socket.socket, order: dict[str, Any], streams: list[int]) -> None:
        """Take an order: argv, env, cwd; log (path) with log_bytes, or three `streams`; memory_bytes; tty."""
        self.link = link
        self.order = order
        self.streams = streams
        self.inbox = b""
        self.main_pid = 0
        self.status: int | None = None
        self.out_of_memory = False
        self.abandoned = False
        self.writer = LogWriter(order["log"], order["log_bytes"]) if order.get("log") else None

    def run(self) -> None:
        """Start the command, serve it until it ends, kill what it leaves, report."""
        wake = child_wakeups()
        pipes = [os.pipe(), os.pipe()] if self.writer else []
        stdin = os.open(os.devnull, os.O_RDONLY) if self.writer else self.streams[0]
        outputs = [write for _, write in pipes] if pipes else self.streams[1:]
        failure = self.start(stdin, outputs)
        for descriptor in {stdin, *outputs}:
            os.close(descriptor)
        if failure:
            self.tell(event="failed", error=failure)
            return
        self.tell(event="started", pid=self.main_pid)
        readers = {read: name for (read, _), name in zip(pipes, STREAMS, strict=False)}
        while self.status is None:
            self.serve(wake, readers)
        if not self.abandoned:
            self.report(readers)

    def report(self, readers: dict[int, str]) -> None:
        """Kill what the main process left behind, read its last words, tell how it ended."""
        kill_everything()
        while readers:
            self.copy_output(readers, timeout_seconds=1.0)
        if self.writer:
            self.writer.close()
        status = self.status or 0
        signalled = os.WIFSIGNALED(status)
        code = 128 + os.WTERMSIG(status) if signalled else os.WEXITSTATUS(status)
        self.tell(event="exited", code=code, oom=self.out_of_memory)

    def start(self, stdin: int, outputs: list[int]) -> str:
        """Fork and execute the command; returns why that was impossible, or an empty string."""
        report_read, report_write = os.pipe()
        self.main_pid = os.fork()
        if self.main_pid == 0:
            try:
                self.become(stdin, outputs)
            except BaseException as problem:
                os.write(report_write, f"{problem.strerror if isinstance(problem, OSError) else problem}".encode())
            finally:
                os._exit(128)
        os.close(report_write)
        failure = os.read(report_read, 4096).decode()
        os.close(report_read)
        return failure

    def become(self, stdin: int, outputs: list[int]) -> None:
        """Turn this child into the container's command; raises when it cannot."""
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(137)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        if self.order.get("tty"):
            fcntl.ioctl(stdin, termios.TIOCSCTTY, 0)
        for target, descriptor in enumerate([stdin, *outputs]):
            os.dup2(descriptor, target)
        os.chdir(self.order["cwd"])
        argv, environment = self.order["argv"], self.order["env"]
        os.execve(find_program(argv[0], environment.get("PATH", "")), argv, environment)  # noqa: S606

    def serve(self, wake: int, readers: dict[int, str]) -> None:
        """One turn of the loop: output, orders, ended children, memory."""
        limit = self.order.get("memory_bytes")
        watched: list[Any] = [wake, self.link, *readers]
        ready, _, _ = select.select(watched, [], [], MEMORY_CHECK_SECONDS if limit else None)
        for descriptor in [d for d in ready if d in readers]:
            self.copy(descriptor, readers)
        if self.link in ready:
            self.obey()
        if wake in ready:
            drain(wake)
            self.reap()
        if limit and self.status is None and used_memory_bytes(self.main_pid, limit) > limit:
            self.out_of_memory = True
            kill(self.main_pid, signal.SIGKILL)

    def copy_output(self, readers: dict[int, str], timeout_seconds: float) -> None:
        """Read what is left in the pipes; gives up on a pipe somebody outside still holds open."""
        ready, _, _ = select.select(list(readers), [], [], timeout_seconds)
        for descriptor in ready or list(readers):
            if ready:
                self.copy(descriptor, readers)
            else:
                del readers[descriptor]

    def copy(self, descriptor: int, readers: dict[int, str]) -> None:
        data = os.read(descriptor, READ_BYTES)
        if self.writer:
            self.writer.write(readers[descriptor], data)
        if not data:
            os.close(descriptor)
            del readers[descriptor]

    def obey(self) -> None:
        """Read orders from devcluster; when it is gone, end everything."""
        with contextlib.suppress(ConnectionError):
            data = self.link.recv(4096)
            if data:
                self.inbox += data
                *lines, self.inbox = self.inbox.split(b"\n")
                for line in lines:
                    kill(self.main_pid, json.loads(line)["signal"])
                return
        self.abandoned = True
        kill(self.main_pid, signal.SIGKILL)
        self.status = 0

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.main_pid:
                self.status = status

    def tell(self, **message: Any) -> None:
        with contextlib.suppress(OSError):
            self.link.sendall(json.dumps(message).encode() + b"\n")


class LogWriter:
    """Writes the log file; one full file and the one being written are kept, as kubelet caps its logs."""

    def __init__(self, path: str, limit_bytes: int) -> None:
        self.path = path
        self.limit_bytes = limit_bytes
        self.file = open(path, "ab", buffering=0)  # noqa: PTH123, SIM115
        self.size_bytes = 0
        self.rest = dict.fromkeys(STREAMS, b"")

    def write(self, stream: str, data: bytes) -> None:
        """Append `data` line by line; an empty `data` ends the stream and flushes its unfinished line."""
        *lines, rest = (self.rest[stream] + data).split(b"\n")
        self.rest[stream] = rest
        now = time.time_ns()
        seconds, nanoseconds = divmod(now, 1_000_000_000)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z {stream} "
        records = [stamp.encode() + b"F " + line + b"\n" for line in lines]
        if len(rest) > LINE_LIMIT_BYTES or (rest and not data):
            records.append(stamp.encode() + b"P " + rest + b"\n")
            self.rest[stream] = b""
        if not records:
            return
        text = b"".join(records)
        if self.size_bytes + len(text) > self.limit_bytes:
            self.rotate()
        with contextlib.suppress(OSError):
            self.file.write(text)
        self.size_bytes += len(text)

    def rotate(self) -> None:
        with contextlib.suppress(OSError):
            os.replace(self.path, self.path + ".1")  # noqa: PTH105
        self.file.close()
        self.file = open(self.path, "ab", buffering=0)  # noqa: PTH123, SIM115
        self.size_bytes = 0

    def close(self) -> None:
        for stream in STREAMS:
            self.write(stream, b"")
        self.file.close()


def prctl(option: int, value: int) -> None:
    """Set a process attribute where the system has it (Linux)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def child_wakeups() -> int:
    """Return a descriptor that becomes readable whenever a child ends."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read


def drain(descriptor: int) -> None:
    """Empty a non-blocking pipe."""
    with contextlib.suppress(BlockingIOError):
        while os.read(descriptor, 4096):
            pass


def kill(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone already."""
    if pid > 1:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def children(pid: int) -> list[int]:
    """Return the direct children of `pid`, of all its threads."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as file:  # noqa: PTH123
                found += [int(word) for word in file.read().split()]
    return found


def kill_everything() -> None:
    """Kill all descendants: orphans of the killed become children of this subreaper and are next."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for pid in children(os.getpid()):
            kill(pid, signal.SIGKILL)
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            time.sleep(0.002)


def used_memory_bytes(root: int, limit_bytes: int) -> int:
    """Return the memory of a process tree: resident size, and where that is over the limit the fair share.

    Summed resident sizes count shared pages once per process, which is unjust to forked workers; the proportional
    set size (/proc/PID/smaps_rollup) divides them, but costs more to read.
    """
    tree, todo = [], [root]
    while todo:
        pid = todo.pop()
        tree.append(pid)
        todo += children(pid)
    resident = sum(resident_bytes(pid) for pid in tree)
    return resident if resident <= limit_bytes else sum(proportional_bytes(pid) for pid in tree)


def resident_bytes(pid: int) -> int:
    """Return a process's resident size, 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def proportional_bytes(pid: int) -> int:
    """Return a process's proportional set size, its resident size where that cannot be read."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:  # noqa: PTH123
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return resident_bytes(pid)


def find_program(name: str, path: str) -> str:
    """Find an executable as a container runtime does, or raise with its words."""
    if "/" in name:
        if not os.path.exists(name):  # noqa: PTH110
            raise FileNotFoundError(2, f'exec: "{name}": stat {name}: no such file or directory')
        if os.path.isdir(name) or not os.access(name, os.X_OK):  # noqa: PTH112
            raise PermissionError(13, f'exec: "{name}": permission denied')
        return name
    for folder in path.split(":"):
        candidate = os.path.join(folder, name)  # noqa: PTH118
        if folder and os.path.isfile(candidate) and os.access(candidate, os.X_OK):  # noqa: PTH113
            return candidate
    raise FileNotFoundError(2, f'exec: "{name}": executable file not found in $PATH')


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
