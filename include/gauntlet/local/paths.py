"""Where the embedded stack keeps its things: every path of the state folder is made here.

::

    <state>/                      GAUNTLET_HOME, else <project>/.gauntlet; 0700
        stack.json                what runs where: ports and addresses, no secrets
        postgres/  devcluster/  airflow/     one folder per component
        store/  cache/            the object store; environments that pods have built
        logs/                     every component's log, Airflow's own in logs/airflow
        run/                      the supervisor's socket, pid and configuration, one order per program
        secrets/                  generated passwords and keys; 0600

Only paths and their permissions here; what is written into them is their owners' business.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gauntlet.errors import GauntletError

_SOCKET_PATH_LIMIT = 90  # 107 bytes on Linux, 103 on macOS; supervisord binds `<path>.<pid>` first


class StateFolderError(GauntletError):
    """The state folder cannot be used."""


@dataclass(frozen=True)
class StackPaths:
    """The paths of one state folder; nothing is made before :meth:`make`."""

    state: Path

    @property
    def postgres(self) -> Path:
        return self.state / "postgres"

    @property
    def devcluster(self) -> Path:
        return self.state / "devcluster"

    @property
    def kubeconfig(self) -> Path:
        """Written by devcluster before it answers."""
        return self.devcluster / "kubeconfig"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME."""
        return self.state / "airflow"

    @property
    def store(self) -> Path:
        return self.state / "store"

    @property
    def cache(self) -> Path:
        return self.state / "cache"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def run(self) -> Path:
        return self.state / "run"

    @property
    def orders(self) -> Path:
        """One JSON per program: its command and environment, secrets included."""
        return self.run / "orders"

    @property
    def secrets(self) -> Path:
        return self.state / "secrets"

    @property
    def admin_password(self) -> Path:
        """The password of Airflow's user `admin`, alone in a file so that `cat` shows it."""
        return self.secrets / "admin-password"

    @property
    def description(self) -> Path:
        return self.state / "stack.json"

    def log_of(self, program: str) -> Path:
        return self.logs / f"{program}.log"

    def make(self) -> None:
        """Make all folders, closed to other accounts.

        :raises StateFolderError: naming the folder that cannot be made or written.
        """
        folders = (self.state, self.devcluster, self.airflow, self.store, self.cache, self.logs)
        for folder in (*folders, self.run, self.orders, self.secrets):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise StateFolderError(
                    f"cannot be made ({error.strerror})",
                    where=str(folder),
                    todo="Set GAUNTLET_HOME to a folder you may write",
                ) from None
        self.state.chmod(0o700)

    def socket(self) -> Path:
        """The supervisor's UNIX socket: in run/, or in a short folder of its own when that path is too long.

        The short folder is made when needed, 0700, and remembered in run/.
        """
        usual = self.run / "supervisor.sock"
        if len(os.fsencode(usual)) <= _SOCKET_PATH_LIMIT:
            return usual
        note = self.run / "socket-folder"
        if note.is_file():
            folder = Path(note.read_text(encoding="utf-8"))
            if _is_private(folder):
                return folder / usual.name
        folder = Path(tempfile.mkdtemp(prefix="gauntlet-"))
        note.write_text(str(folder), encoding="utf-8")
        return folder / usual.name


def _is_private(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    return folder.is_dir() and not folder.is_symlink() and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def project_root(env: Mapping[str, str]) -> Path:
    """The checkout whose dags/, plugins/ and include/ are run: GAUNTLET_PROJECT, else the one this file is in.

    :raises StateFolderError: that folder has no dags/ and include/.
    """
    named = env.get("GAUNTLET_PROJECT", "")
    root = Path(named).expanduser().resolve() if named else Path(__file__).resolve().parents[3]
    if not (root / "dags").is_dir() or not (root / "include").is_dir():
        raise StateFolderError(
            "is not a checkout of Gauntlet: it has no dags/ and include/",
            where=str(root),
            todo="Set GAUNTLET_PROJECT to the checkout",
        )
    return root


def stack_paths(env: Mapping[str, str]) -> StackPaths:
    """The paths of the stack that the environment `env` means."""
    named = env.get("GAUNTLET_HOME", "")
    return StackPaths(Path(named).expanduser().resolve() if named else project_root(env) / ".gauntlet")
