"""What on this machine would stand in the stack's way: all of it at once, each with what to do.

`up` refuses to start with a fatal finding; `doctor` shows every finding. Checks read and never change anything.
Each takes plain values and returns a finding or None; what reads the machine is at the end.
"""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gauntlet.errors import GauntletError
from gauntlet.local import ports
from gauntlet.local.paths import StackPaths
from gauntlet.local.plan import ClusterError, choose_cluster

GIGABYTE = 1_000_000_000
_LEAST_DISK = 2 * GIGABYTE
_LEAST_MEMORY = 2 * GIGABYTE


@dataclass(frozen=True)
class Finding:
    """One sentence about this machine and what to do; only a fatal one keeps the stack from starting."""

    what: str
    todo: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.what}. {self.todo}." if self.todo else f"{self.what}."


class PreflightError(GauntletError):
    """This machine cannot run the stack as it is; carries every fatal finding."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("the stack cannot start:\n" + "\n".join(f"  {finding}" for finding in self.findings))


def python_finding(version: tuple[int, int]) -> Finding | None:
    """Python 3.11 to 3.13 is needed."""
    if (3, 11) <= version <= (3, 13):
        return None
    found = ".".join(map(str, version))
    return Finding(f"This is Python {found}, Gauntlet needs 3.11 to 3.13", "Run `make clean install PYTHON=python3.12`")


def port_finding(
    port: int, *, free: bool, holder: ports.Holder | None, state: str, session: int | None
) -> Finding | None:
    """The UI's port must be free, or be this stack's own.

    :param state: this stack's state folder.
    :param session: the session of its supervisord, when it was started before.
    """
    if free:
        return None
    if holder is not None and (holder.stack == state or (session is not None and holder.session == session)):
        return None
    other = port + 1 if port < 65535 else port - 1
    todo = f"Choose another: GAUNTLET_PORT={other} make up"
    if holder is None:
        return Finding(f"Port {port} is in use by another account's process", todo)
    if holder.stack is not None:
        return Finding(
            f"Port {port} is in use by the Gauntlet stack in {holder.stack}",
            f"Stop that one (`make down` in its folder), or choose another: GAUNTLET_PORT={other} make up",
        )
    return Finding(f"Port {port} is in use by {holder.name} (process {holder.pid})", todo)


def disk_finding(folder: Path, free_bytes: int) -> Finding | None:
    """Databases, logs and environments need room."""
    if free_bytes >= _LEAST_DISK:
        return None
    return Finding(
        f"Only {free_bytes / GIGABYTE:.1f} GB are free on the disk of {folder}, the stack needs 2 GB",
        "Free some, or set GAUNTLET_HOME to a folder on another disk",
    )


def memory_finding(available_bytes: int) -> Finding | None:
    """Airflow's components take about 1.5 GB."""
    if available_bytes >= _LEAST_MEMORY:
        return None
    return Finding(
        f"Only {available_bytes / GIGABYTE:.1f} GB of memory are available; the stack takes about 2 GB",
        "Close something, or expect it to be slow",
        fatal=False,
    )


def folder_finding(folder: Path, *, writable: bool) -> Finding | None:
    """The state folder, or the first folder above it that exists, must be writable."""
    if writable:
        return None
    return Finding(f"{folder} is not writable", "Set GAUNTLET_HOME to a folder that is, or change its owner")


def compiler_finding(found: str | None, *, wheels_fit: bool) -> Finding | None:
    """A compiler matters only where no ready-made wheels exist."""
    if found is not None or wheels_fit:
        return None
    return Finding(
        f"There is no C compiler, and {platform.machine()} {platform.system()} may need one to build packages",
        "Install gcc or clang if `make install` fails",
        fatal=False,
    )


def root_finding(user: int) -> Finding | None:
    """Root works, with PostgreSQL's data elsewhere."""
    if user != 0:
        return None
    return Finding(
        "You are root: PostgreSQL refuses that and will run as `nobody`, with its data below /var/lib",
        "Nothing to do; another user is better outside containers",
        fatal=False,
    )


def account_finding(user: int, name: str | None) -> Finding | None:
    """PostgreSQL asks the system for its account's name."""
    if name is not None:
        return None
    return Finding(
        f"The account you run as ({user}) has no name on this machine, and PostgreSQL refuses such",
        f"Add it to /etc/passwd (as root: useradd --uid {user} gauntlet), or run as another user",
    )


def examine(env: Mapping[str, str], paths: StackPaths, session: int | None) -> list[Finding]:
    """Everything there is to say about this machine.

    :param session: see :func:`port_finding`.
    """
    import psutil

    existing = _existing(paths.state)
    findings = [
        python_finding(sys.version_info[:2]),
        folder_finding(existing, writable=os.access(existing, os.W_OK | os.X_OK) and existing.is_dir()),
        disk_finding(existing, shutil.disk_usage(existing).free),
        memory_finding(psutil.virtual_memory().available),
        _port(env, paths, session),
        _cluster(env, paths),
        compiler_finding(_compiler(), wheels_fit=_wheels_fit()),
        account_finding(os.geteuid(), _name_of(os.geteuid())),
        root_finding(os.geteuid()),
    ]
    return [finding for finding in findings if finding is not None]


def _port(env: Mapping[str, str], paths: StackPaths, session: int | None) -> Finding | None:
    try:
        port = ports.ui_port(env)
    except ports.PortError as error:
        return Finding(str(error), "")
    free = ports.is_free(port)
    holder = None if free else ports.holder_of(port)
    return port_finding(port, free=free, holder=holder, state=str(paths.state), session=session)


def _cluster(env: Mapping[str, str], paths: StackPaths) -> Finding | None:
    try:
        choose_cluster(paths, env)
    except ClusterError as error:
        return Finding(f"{error.where}: {error.what}", error.todo)
    return None


def _name_of(user: int) -> str | None:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return None


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _compiler() -> str | None:
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def _wheels_fit() -> bool:
    glibc = platform.libc_ver()[0] == "glibc" or platform.system() == "Darwin"
    return glibc and platform.machine() in {"x86_64", "aarch64", "arm64"}
