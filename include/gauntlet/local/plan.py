"""What the embedded stack consists of, given a state folder, a checkout and a person's environment.

Pure decisions only: which programs, with which command and environment, in which order; which cluster and which
store. Nothing is started or written here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gauntlet.errors import GauntletError
from gauntlet.local import airflow_settings, postgres
from gauntlet.local.keys import Keys
from gauntlet.local.paths import StackPaths
from gauntlet.local.ports import Ports
from gauntlet.local.programs import MARKER, Program

POSTGRES = "postgres"
DEVCLUSTER = "devcluster"
FURNISHER = "devcluster-furnisher"
AIRFLOW = ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")

_SURROUNDINGS = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_CACHE_HOME")
# What a person may have set for the work to be done: certificates, proxies, package indexes, cloud credentials.
_MEANT = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_MEANT_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
_MEANT_PREFIXES = ("PIP_", "UV_", "AWS_", "OTEL_")
# For Airflow alone: a person's own connections and variables, never another installation's settings.
_AIRFLOW_PREFIXES = ("AIRFLOW_CONN_", "AIRFLOW_VAR_")
_NOT_SETTINGS = {"GAUNTLET_HOME", "GAUNTLET_PORT", "GAUNTLET_PROJECT", MARKER}


class ClusterError(GauntletError):
    """The person's cluster and store do not go together."""


@dataclass(frozen=True)
class Cluster:
    """Where pods run: `own` means devcluster, which the stack starts; else a person's KUBECONFIG."""

    kubeconfig: Path
    own: bool


@dataclass(frozen=True)
class Plan:
    """The stack as it shall be; `programs` in the order in which they start."""

    programs: tuple[Program, ...]
    settings: Mapping[str, str] = field(repr=False)
    cluster: Cluster
    ports: Ports

    def program(self, name: str) -> Program:
        """One program by name."""
        return next(each for each in self.programs if each.name == name)


@dataclass(frozen=True)
class Site:
    """All that a plan depends on.

    :param home: PostgreSQL's, prepared.
    :param env: of the person who says `up`; their GAUNTLET_* variables win over the stack's own values.
    :param cores: processors this stack may use.
    """

    paths: StackPaths
    project: Path
    keys: Keys
    ports: Ports
    home: postgres.Home
    env: Mapping[str, str] = field(repr=False)
    cores: int

    def program(self, name: str, argv: tuple[str, ...], cwd: Path, env: Mapping[str, str], **more: Any) -> Program:
        """A program of this stack, with its marker and the person's surroundings."""
        surroundings = {name: self.env[name] for name in _SURROUNDINGS if name in self.env}
        marked = {**env, MARKER: str(self.paths.state)}
        return Program(name, argv, env=marked, surroundings=surroundings, cwd=cwd, **more)

    def meant(self) -> dict[str, str]:
        """What the person's shell says about network, packages and clouds."""
        return {name: value for name, value in self.env.items() if _is_meant(name)}


def choose_cluster(paths: StackPaths, env: Mapping[str, str]) -> Cluster:
    """The cluster that `env` means: the first existing file of KUBECONFIG, else devcluster.

    :raises ClusterError: KUBECONFIG is set to files that are not there, or its cluster's pods could not reach the
        store; one sentence and what to do.
    """
    named = [Path(part).expanduser() for part in env.get("KUBECONFIG", "").split(os.pathsep) if part]
    if not named:
        return Cluster(paths.kubeconfig, own=True)
    found = next((path for path in named if path.is_file()), None)
    if found is None:
        raise ClusterError(
            f"names no file that exists ({', '.join(map(str, named))})",
            where="KUBECONFIG",
            todo="Correct it, or unset it to run pods on this machine",
        )
    store = env.get("GAUNTLET_STORE_URL", "")
    if not store or (store.startswith("file:") and not env.get("GAUNTLET_STORE_CLAIM")):
        raise ClusterError(
            f"pods on the cluster of {found} cannot reach a store in a folder of this machine",
            where="KUBECONFIG",
            todo="Set GAUNTLET_STORE_URL=s3://bucket/prefix (with GAUNTLET_STORE_ENDPOINT_URL if it is not AWS), "
            "or unset KUBECONFIG to run pods on this machine",
        )
    return Cluster(found.resolve(), own=False)


def make_plan(site: Site) -> Plan:
    """The whole stack.

    :raises ClusterError: see :func:`choose_cluster`.
    """
    cluster = choose_cluster(site.paths, site.env)
    settings = gauntlet_settings(site, cluster)
    airflow_env = {
        **{name: value for name, value in site.env.items() if name.startswith(_AIRFLOW_PREFIXES)},
        **settings,
        **_airflow_environment(site, cluster, settings),
    }
    programs = [
        _postgres(site),
        *([_furnisher(site, settings["GAUNTLET_NAMESPACE"]), _devcluster(site)] if cluster.own else []),
        *(_airflow(site, name, airflow_env) for name in AIRFLOW),
    ]
    return Plan(tuple(programs), settings, cluster, site.ports)


def _is_meant(name: str) -> bool:
    return name in _MEANT or name.upper() in _MEANT_PROXIES or name.startswith(_MEANT_PREFIXES)


def gauntlet_settings(site: Site, cluster: Cluster) -> dict[str, str]:
    """The GAUNTLET_* variables of this stack, a person's own laid over them (see `gauntlet.settings`)."""
    own = {
        "GAUNTLET_DATABASE_URL": postgres.database_url(
            site.ports.postgres, "gauntlet", user="gauntlet", password=site.keys.postgres_gauntlet, driver="psycopg"
        ),
        "GAUNTLET_CLUSTER_CONN_ID": "gauntlet_cluster",
        "GAUNTLET_NAMESPACE": "gauntlet",
        "GAUNTLET_DEFINITIONS_ROOT": str(site.project / "include"),
        # Whoever uses this stack owns this machine's account, and so may send any folder it can read.
        "GAUNTLET_FOLDER_ROOTS": "/",
    }
    if cluster.own:
        own |= {
            "GAUNTLET_STORE_URL": site.paths.store.as_uri(),
            "GAUNTLET_STORE_CLAIM": "gauntlet-store",
            "GAUNTLET_CACHE_CLAIM": "gauntlet-cache",
        }
    theirs = {
        name: value
        for name, value in site.env.items()
        if name.startswith("GAUNTLET_") and value and name not in _NOT_SETTINGS
    }
    return own | theirs


def _postgres(site: Site) -> Program:
    account = site.home.account
    return site.program(
        POSTGRES,
        tuple(postgres.server_command(site.home, site.ports.postgres)),
        Path("/"),
        {},
        account=(account.uid, account.gid) if account else None,
        stop_signal="INT",  # its fast shutdown: SIGTERM would wait for every client to leave
    )


def _devcluster(site: Site) -> Program:
    folder = site.paths.devcluster
    serve = ("serve", "--state-dir", str(folder), "--port", str(site.ports.devcluster))
    argv = (sys.executable, "-m", "gauntlet.local.devcluster", *serve)
    # Its containers have 30 s of grace.
    return site.program(DEVCLUSTER, argv, folder, site.meant(), stop_seconds=40)


def claims(paths: StackPaths) -> dict[str, Path]:
    """The volume claims that pods on devcluster find, and the folders they show."""
    return {"gauntlet-store": paths.store, "gauntlet-cache": paths.cache}


def _furnisher(site: Site, namespace: str) -> Program:
    shown = (f"{claim}={folder}" for claim, folder in claims(site.paths).items())
    argv = (sys.executable, "-m", "gauntlet.local.furnishing", str(site.paths.kubeconfig), namespace, *shown)
    return site.program(FURNISHER, argv, site.paths.state, {}, listens_to="PROCESS_STATE_RUNNING")


def _airflow(site: Site, name: str, env: Mapping[str, str]) -> Program:
    component = name.removeprefix("airflow-")
    # Their log servers would listen on every interface; the API server reads the same files.
    no_log_server = ("--skip-serve-logs",) if component in {"scheduler", "triggerer"} else ()
    argv = (sys.executable, "-m", "airflow", component, *no_log_server)
    # A triggerer may wait 10 s for nothing when it ends; what it held is in the database either way.
    patience = 4 if component == "triggerer" else 30
    return site.program(name, argv, site.project, {**site.meant(), **env}, stop_seconds=patience, start_seconds=5)


def _airflow_environment(site: Site, cluster: Cluster, settings: Mapping[str, str]) -> dict[str, str]:
    def url(driver: str) -> str:
        password = site.keys.postgres_airflow
        return postgres.database_url(site.ports.postgres, "airflow", user="airflow", password=password, driver=driver)

    return airflow_settings.environment(
        airflow_settings.AirflowInputs(
            home=site.paths.airflow,
            project=site.project,
            definitions=Path(settings["GAUNTLET_DEFINITIONS_ROOT"]),
            logs=site.paths.logs / "airflow",
            passwords_file=site.paths.secrets / "airflow-users.json",
            ui_port=site.ports.ui,
            cores=site.cores,
            database_url=url("psycopg2"),
            database_url_async=url("asyncpg"),
            fernet_key=site.keys.airflow_fernet,
            jwt_secret=site.keys.airflow_jwt,
            api_secret=site.keys.airflow_api,
            connection=airflow_settings.cluster_connection(cluster.kubeconfig, settings["GAUNTLET_NAMESPACE"]),
        )
    )
