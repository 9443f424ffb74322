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


def migrate(paths: StackPaths, server: postgres.Server, keys: Keys, env: Mapping[str, str]) -> list[str]:
    """Make both databases and their roles, and run the migrations that were not run for these versions yet.

    :param env: the whole environment of an Airflow component.
    :returns: the databases that were brought up to date.
    :raises MigrationError: Airflow's migrations failed; with the end of their output and its log.
    """
    done = _read_stamp(paths)
    wanted = _stamp(server, env)
    if done == wanted:
        return []
    postgres.ensure_databases(server, {"airflow": keys.postgres_airflow, "gauntlet": keys.postgres_gauntlet})
    renewed = [name for name in ("airflow", "gauntlet") if done.get(name) != wanted[name]]
    if "airflow" in renewed:
        _migrate_airflow(paths, env)
    if "gauntlet" in renewed:
        from gauntlet.storage import migrations

        migrations.upgrade(env["GAUNTLET_DATABASE_URL"])
    write_private(_stamp_file(paths), json.dumps(wanted))
    return renewed


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


def _read_stamp(paths: StackPaths) -> dict[str, str]:
    try:
        stamp: dict[str, str] = json.loads(_stamp_file(paths).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp


def _stamp(server: postgres.Server, env: Mapping[str, str]) -> dict[str, str]:
    """Database → what its schema was or would be made from, on which PostgreSQL cluster."""
    import psycopg

    with psycopg.connect(server.url()) as connection:
        row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    cluster = str(row[0]) if row else ""
    where = hashlib.sha256(env["GAUNTLET_DATABASE_URL"].encode()).hexdigest()
    return {
        "airflow": f"{cluster} {version('apache-airflow')}",
        "gauntlet": f"{cluster} {where} {_revisions()}",
    }


def _revisions() -> str:
    """A digest of the names of Gauntlet's migrations."""
    spec = find_spec("gauntlet.storage.migrations")
    folders = spec.submodule_search_locations if spec is not None else None
    names = sorted(path.name for folder in folders or () for path in Path(folder).rglob("*.py"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
