"""supervisord for the embedded stack: its configuration, its start, its XML-RPC interface.

supervisord restarts what crashes and rotates logs; when and in which order programs start is decided in `stack`.
It is started with every program stopped. Nothing here knows what the programs are.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import Error as XmlRpcError
from xmlrpc.client import Fault, ServerProxy

from gauntlet.errors import GauntletError
from gauntlet.local.keys import write_private
from gauntlet.local.paths import StackPaths
from gauntlet.local.programs import MARKER, Program

_USER = "gauntlet"
_NOT_RUNNING = 70  # supervisor.xmlrpc.Faults
_ALREADY_STARTED = 60


class SupervisorError(GauntletError):
    """supervisord does not start or does not do what it was asked."""


@dataclass(frozen=True)
class ProgramState:
    """What supervisord says of one program: state as in its documentation, started_at in epoch seconds."""

    name: str
    state: str
    pid: int
    started_at: float
    explanation: str

    @property
    def running(self) -> bool:
        return self.state in {"RUNNING", "STARTING"}


def render_config(paths: StackPaths, programs: Iterable[Program], *, socket: Path, password: str) -> str:
    """supervisord.conf of a stack.

    :param socket: path of the UNIX socket, short enough for the system.
    :param password: of the interface on that socket.
    """
    text = [
        _section("unix_http_server", file=socket, chmod="0700", username=_USER, password=password),
        _section(
            "supervisord",
            logfile=paths.log_of("supervisord"),
            logfile_maxbytes="5MB",
            logfile_backups=2,
            pidfile=_pid_file(paths),
            umask="077",
            directory=paths.state,
            childlogdir=paths.logs,
            **({"user": "root"} if os.geteuid() == 0 else {}),
        ),
        _section(
            "rpcinterface:supervisor",
            **{"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
        *(_program_section(paths, program) for program in programs),
    ]
    return "\n".join(text)


def _program_section(paths: StackPaths, program: Program) -> str:
    command = [sys.executable, "-m", "gauntlet.local.launch", str(order_file(paths, program.name))]
    if program.listens_to:  # its stdout is the protocol with supervisord
        kind, own = "eventlistener", {"events": program.listens_to, **_log(paths, program, "stderr")}
    else:
        kind, own = "program", {"redirect_stderr": "true", **_log(paths, program, "stdout")}
    return _section(
        f"{kind}:{program.name}",
        **own,
        command=shlex.join(command),
        autostart="false",
        autorestart="true",
        startsecs=program.start_seconds,
        startretries=10,
        stopsignal=program.stop_signal,
        stopwaitsecs=program.stop_seconds,
        killasgroup="true",
    )


def _log(paths: StackPaths, program: Program, stream: str) -> dict[str, object]:
    return {
        # Relative to the folder supervisord is started in: it expands `%` in this option twice.
        f"{stream}_logfile": paths.log_of(program.name).relative_to(paths.state),
        f"{stream}_logfile_maxbytes": "10MB",
        f"{stream}_logfile_backups": 3,
    }


def _section(title: str, **options: object) -> str:
    lines = [f"{name} = {str(value).replace('%', '%%')}" for name, value in options.items()]
    return "\n".join([f"[{title}]", *lines, ""])


def order_file(paths: StackPaths, program: str) -> Path:
    """Where `launch` finds what a program is."""
    return paths.orders / f"{program}.json"


def _pid_file(paths: StackPaths) -> Path:
    return paths.run / "supervisord.pid"


class Supervisor:
    """A stack's supervisord, running or not."""

    def __init__(self, paths: StackPaths, password: str) -> None:
        self._paths = paths
        self._password = password
        self._socket = paths.socket()

    def configure(self, programs: Iterable[Program]) -> bool:
        """Write the configuration; returns whether it differs from the one before."""
        text = render_config(self._paths, programs, socket=self._socket, password=self._password)
        file = self._paths.run / "supervisord.conf"
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        write_private(file, text)
        return text != before

    def alive(self) -> bool:
        """Whether supervisord answers."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except (OSError, XmlRpcError):
            return False

    def pid(self) -> int | None:
        """Its process id, which is also its session's; None when there is no pid file."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(_pid_file(self._paths).read_text(encoding="ascii"))
        return None

    def start(self, env: Mapping[str, str], timeout_seconds: float = 20) -> None:
        """Start supervisord as a daemon, in a session of its own, with the stack's marker in its environment.

        :raises SupervisorError: it ended or does not answer; with what it said.
        """
        conf = self._paths.run / "supervisord.conf"
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(conf)],
            env={**env, MARKER: str(self._paths.state)},
            cwd=self._paths.state,
            umask=0o077,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SupervisorError("supervisord did not start", where=str(conf), todo=done.stderr.strip()[-500:])
        deadline = time.monotonic() + timeout_seconds
        while not self.alive():
            if time.monotonic() > deadline:
                log = self._paths.log_of("supervisord")
                raise SupervisorError(f"supervisord does not answer after {timeout_seconds:g} s", todo=f"See {log}")
            time.sleep(0.05)

    def states(self) -> dict[str, ProgramState]:
        """All programs by name; empty when supervisord does not answer."""
        try:
            infos = self._call("getAllProcessInfo")
        except (OSError, XmlRpcError):
            return {}
        return {
            info["name"]: ProgramState(info["name"], info["statename"], info["pid"], info["start"], info["spawnerr"])
            for info in infos
        }

    def start_program(self, name: str) -> None:
        """Start a program unless it runs; whether it is of use afterwards is for a health check to say."""
        self._tolerating(_ALREADY_STARTED, "startProcess", name, False)

    def begin_stop(self, name: str) -> None:
        """Send a program its stop signal, with SIGKILL to follow in time."""
        self._tolerating(_NOT_RUNNING, "stopProcess", name, False)

    def wait_stopped(self, names: Iterable[str], timeout_seconds: float) -> None:
        """Return when none of these programs has a process any more.

        :raises SupervisorError: naming those that still have one.
        """
        wanted = set(names)
        deadline = time.monotonic() + timeout_seconds
        while left := sorted(name for name, state in self.states().items() if name in wanted and state.pid):
            if time.monotonic() > deadline:
                raise SupervisorError(f"{', '.join(left)} did not stop within {timeout_seconds:g} s")
            time.sleep(0.05)

    def shutdown(self, timeout_seconds: float = 60) -> None:
        """Stop everything that still runs and end supervisord itself."""
        import psutil

        pid = self.pid()
        with contextlib.suppress(OSError, XmlRpcError):
            self._call("shutdown")
        try:
            if pid is not None:
                psutil.Process(pid).wait(timeout_seconds)
        except psutil.NoSuchProcess:
            return
        except psutil.TimeoutExpired:
            raise SupervisorError(f"supervisord did not end within {timeout_seconds:g} s") from None

    def _tolerating(self, fault_code: int, method: str, *arguments: Any) -> None:
        try:
            self._call(method, *arguments)
        except Fault as fault:
            if fault.faultCode != fault_code:
                raise SupervisorError(
                    f"supervisord refused {method} {arguments[0]}: {fault.faultString}",
                    todo=f"See {self._paths.logs}",
                ) from None

    def _call(self, method: str, *arguments: Any) -> Any:
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(_USER, self._password, serverurl=f"unix://{self._socket}")
        with ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)
