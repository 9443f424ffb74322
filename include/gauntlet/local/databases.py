"""Brings the two databases of the embedded stack to their newest schema, and knows when there is nothing to do.

Airflow's migrations run as its own command in a process of their own; Gauntlet's by `gauntlet.storage`. A stamp in
the state folder says for which versions and which PostgreSQL cluster it was done last, so that a second start
imports neither.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from gauntlet.errors import GauntletError
from gauntlet.local import postgres
from gauntlet.local.keys import Keys, write_private
from gauntlet.local.paths import StackPaths


class MigrationError(GauntletError):
    """A database cannot be brought to its newest schema."""


def up_to_date(paths: StackPaths, server: postgres.Server) -> bool:
    """Whether :func:`migrate` was done for these versions on this very PostgreSQL cluster."""
    stamp = _stamp_file(paths)
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _stamp(server)


def migrate(paths: StackPaths, server: postgres.Server, keys: Keys, env: Mapping[str, str]) -> None:
    """Make both databases and their roles, and run all migrations.

    :param env: the whole environment of an Airflow component.
    :raises MigrationError: Airflow's migrations failed; with the end of their output and its log.
    """
    postgres.ensure_databases(server, {"airflow": keys.postgres_airflow, "gauntlet": keys.postgres_gauntlet})
    _migrate_airflow(paths, env)
    from gauntlet.storage import migrations

    migrations.upgrade(env["GAUNTLET_DATABASE_URL"])
    write_private(_stamp_file(paths), _stamp(server))


def _migrate_airflow(paths: StackPaths, env: Mapping[str, str]) -> None:
    log = paths.log_of("airflow-db-migrate")
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=dict(env),
        cwd=paths.airflow,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    write_private(log, done.stdout)
    if done.returncode != 0:
        last = done.stdout.strip().splitlines()[-1:]
        raise MigrationError(f"`airflow db migrate` ended with {done.returncode}: {''.join(last)}", todo=f"See {log}")


def _stamp_file(paths: StackPaths) -> Path:
    return paths.run / "migrated.json"


def _stamp(server: postgres.Server) -> str:
    import psycopg

    with psycopg.connect(server.url()) as connection:
        row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    return json.dumps({"cluster": row and row[0], "airflow": version("apache-airflow"), "gauntlet": _revisions()})


def _revisions() -> str:
    """A digest of the names of Gauntlet's migrations."""
    spec = find_spec("gauntlet.storage.migrations")
    folders = spec.submodule_search_locations if spec is not None else None
    names = sorted(path.name for folder in folders or () for path in Path(folder).rglob("*.py"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
