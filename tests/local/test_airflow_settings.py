"""Airflow's configuration: every option exists, everything stays on loopback and closed."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.local import airflow_settings

INPUTS = airflow_settings.AirflowInputs(
    home=Path("/state/airflow"),
    project=Path("/project"),
    definitions=Path("/project/include"),
    logs=Path("/state/logs/airflow"),
    passwords_file=Path("/state/secrets/airflow-users.json"),
    ui_port=8123,
    cores=2,
    database_url="postgresql+psycopg2://airflow:secret@127.0.0.1:5001/airflow",
    database_url_async="postgresql+asyncpg://airflow:secret@127.0.0.1:5001/airflow",
    fernet_key="fernet-value",
    jwt_secret="jwt-value",
    api_secret="api-value",
    connection=airflow_settings.cluster_connection(Path("/state/devcluster/kubeconfig"), "gauntlet"),
)


@pytest.fixture(scope="module")
def known_options() -> set[str]:
    spec = find_spec("airflow")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    files = [Path(folder) / "config_templates" / "config.yml" for folder in spec.submodule_search_locations]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(next(file for file in files if file.is_file()).read_text("utf-8"), Loader=loader)  # noqa: S506
    return {
        f"AIRFLOW__{section.upper()}__{option.upper()}"
        for section, content in document.items()
        for option in content["options"]
    }


def test_every_option_is_one_that_airflow_knows(known_options: set[str]) -> None:
    set_here = {name for name in airflow_settings.environment(INPUTS) if name.startswith("AIRFLOW__")}
    assert set_here - known_options == set()


def test_the_api_server_listens_on_loopback_alone() -> None:
    env = airflow_settings.environment(INPUTS)
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert env["AIRFLOW__API__PORT"] == "8123"
    assert env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:8123/execution/"


def test_authentication_is_on_and_configuration_is_not_shown() -> None:
    env = airflow_settings.environment(INPUTS)
    assert env["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "False"
    assert env["AIRFLOW__API__EXPOSE_CONFIG"] == "False"


def test_logs_are_closed_to_other_accounts() -> None:
    env = airflow_settings.environment(INPUTS)
    assert int(env["AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS"], 8) & 0o077 == 0
    assert int(env["AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS"], 8) & 0o077 == 0


def test_dags_and_definitions_are_two_bundles() -> None:
    bundles = json.loads(airflow_settings.bundles(Path("/project"), Path("/project/include")))
    assert {bundle["name"]: bundle["kwargs"] for bundle in bundles} == {
        "gauntlet": {"path": "/project/dags", "refresh_interval": 5},
        "definitions": {"root": "/project/include", "refresh_interval": 5},
    }


@given(cores=st.integers(1, 256))
def test_parallelism_follows_the_cores_within_bounds(cores: int) -> None:
    env = airflow_settings.environment(replace(INPUTS, cores=cores))
    assert 4 <= int(env["AIRFLOW__CORE__PARALLELISM"]) <= 32
    assert 1 <= int(env["AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES"]) <= 2


def test_inputs_show_no_secret_in_their_text() -> None:
    assert not any(secret in repr(INPUTS) for secret in ("secret@", "fernet-value", "jwt-value", "api-value"))
