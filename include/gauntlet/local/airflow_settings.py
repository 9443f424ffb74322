"""Airflow's configuration on one machine, as environment variables: the one place where it is decided.

The values are measurements of Airflow 3.3 with LocalExecutor on two cores; the reason stands beside each that
is not Airflow's default. Only a pure function here: nothing is written, and Airflow is never imported.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

ADMIN_USER = "admin"


@dataclass(frozen=True)
class AirflowInputs:
    """What the configuration depends on.

    `database_url` and `database_url_async` are SQLAlchemy URLs, `cores` is the number of processors, `connection`
    the connection of the cluster as Airflow's JSON.
    """

    home: Path
    project: Path
    definitions: Path
    logs: Path
    passwords_file: Path
    ui_port: int
    cores: int
    database_url: str = field(repr=False)
    database_url_async: str = field(repr=False)
    fernet_key: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    api_secret: str = field(repr=False)
    connection: str = field(repr=False)


def cluster_connection(kubeconfig: Path, namespace: str) -> str:
    """The Airflow connection of a cluster, in Airflow's JSON form."""
    extra = {"kube_config_path": str(kubeconfig), "namespace": namespace, "in_cluster": False}
    return json.dumps({"conn_type": "kubernetes", "extra": extra})


def bundles(project: Path, definitions: Path) -> str:
    """The DAG bundles: dags/ as it is, and a DAG per definition in the definitions' folder."""
    refresh = {"refresh_interval": 5}
    return json.dumps(
        [
            {
                "name": "gauntlet",
                "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                "kwargs": {"path": str(project / "dags"), **refresh},
            },
            {
                "name": "definitions",
                "classpath": "gauntlet_airflow.bundles.DefinitionsBundle",
                "kwargs": {"root": str(definitions), **refresh},
            },
        ]
    )


def environment(inputs: AirflowInputs) -> dict[str, str]:
    """Every variable that Airflow's components need, AIRFLOW_HOME and the cluster's connection included.

    :returns: variables for an environment without any other AIRFLOW__ variable.
    """
    sections = {
        "core": _core(inputs),
        "database": {
            "sql_alchemy_conn": inputs.database_url,
            "sql_alchemy_conn_async": inputs.database_url_async,
        },
        "api": _api(inputs),
        "api_auth": {"jwt_secret": inputs.jwt_secret},
        "workers": {
            "min_heartbeat_interval": "1",  # 5 keeps a worker's slot up to 5 s after a short task
            "execution_api_timeout": "30",  # a busy laptop's API server answers late rather than never
        },
        "scheduler": _scheduler(),
        "triggerer": {
            "capacity": "2000",  # waiting triggers must not keep those of running pods from their turn
            "job_heartbeat_sec": "2",
            "triggerer_health_check_threshold": "15",  # a killed triggerer's triggers move on after this long
        },
        "dag_processor": _dag_processor(inputs),
        "logging": _logging(inputs),
    }
    variables = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": value
        for section, options in sections.items()
        for key, value in options.items()
    }
    return variables | {
        "AIRFLOW_HOME": str(inputs.home),
        "AIRFLOW_CONN_GAUNTLET_CLUSTER": inputs.connection,
        "GX_ANALYTICS_ENABLED": "False",
        # config/ holds airflow_local_settings.py, which lets task processes inherit the heavy imports.
        "PYTHONPATH": str(inputs.project / "config"),
    }


def _core(inputs: AirflowInputs) -> dict[str, str]:
    return {
        "executor": "LocalExecutor",
        "parallelism": str(min(32, max(4, 4 * inputs.cores))),
        "max_active_runs_per_dag": "100",
        "dags_are_paused_at_creation": "False",
        "load_examples": "False",
        "plugins_folder": str(inputs.project / "plugins"),
        "fernet_key": inputs.fernet_key,
        "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "simple_auth_manager_users": f"{ADMIN_USER}:admin",
        "simple_auth_manager_all_admins": "False",
        "simple_auth_manager_passwords_file": str(inputs.passwords_file),
        "execution_api_server_url": f"http://127.0.0.1:{inputs.ui_port}/execution/",
        "hostname_callable": "socket.gethostname",  # the default asks the network's name service
        "min_serialized_dag_update_interval": "5",
        "killed_task_cleanup_time": "20",
        "test_connection": "Disabled",
    }


def _api(inputs: AirflowInputs) -> dict[str, str]:
    return {
        "host": "127.0.0.1",
        "port": str(inputs.ui_port),
        "base_url": f"http://127.0.0.1:{inputs.ui_port}",
        "workers": "1",
        "secret_key": inputs.api_secret,
        "expose_config": "False",
        "expose_stacktrace": "False",
        "instance_name": "Gauntlet",
    }


def _scheduler() -> dict[str, str]:
    return {
        "scheduler_idle_sleep_time": "0.1",  # a hop from task to task: 0.18 s instead of 0.97 s
        "scheduler_heartbeat_sec": "2",
        "job_heartbeat_sec": "2",
        "scheduler_health_check_threshold": "15",  # with the next two: what a killed scheduler held is
        "orphaned_tasks_check_interval": "15",  # taken up again within half a minute
        "task_instance_heartbeat_timeout": "60",
        "max_dagruns_per_loop_to_schedule": "100",  # waiting runs hide others at the default of 20
        "max_tis_per_query": "64",
        "task_queued_timeout_check_interval": "30",
        "trigger_timeout_check_interval": "5",
        "catchup_by_default": "False",
    }


def _dag_processor(inputs: AirflowInputs) -> dict[str, str]:
    return {
        "dag_bundle_config_list": bundles(inputs.project, inputs.definitions),
        "dag_bundle_storage_path": str(inputs.home / "bundles"),  # the default is a shared folder in /tmp
        "refresh_interval": "5",
        "bundle_refresh_check_interval": "1",
        "min_file_process_interval": "10",
        "parsing_processes": str(min(2, inputs.cores)),
    }


def _logging(inputs: AirflowInputs) -> dict[str, str]:
    return {
        "base_log_folder": str(inputs.logs),
        "dag_processor_child_process_log_directory": str(inputs.logs / "dag_processor"),
        "file_task_handler_new_folder_permissions": "0o700",
        "file_task_handler_new_file_permissions": "0o600",
        "colored_console_log": "False",
    }
