"""What the stack consists of: which programs, what they may see, which cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pytest

from gauntlet.local import plan, postgres
from gauntlet.local.keys import Keys
from gauntlet.local.paths import StackPaths
from gauntlet.local.ports import Ports
from gauntlet.settings import Settings

KEYS = Keys()


def planned(env: Mapping[str, str]) -> plan.Plan:
    home = postgres.Home(Path("/pg"), Path("/state/postgres/data"), postgres.Account(65534, 65534))
    paths = StackPaths(Path("/state"))
    return plan.make_plan(plan.Site(paths, Path("/project"), KEYS, Ports(8080, 5001, 6001), home, env, cores=2))


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    file = tmp_path / "kubeconfig"
    file.write_text("apiVersion: v1\n")
    return file


def test_programs_start_in_the_order_of_their_needs() -> None:
    names = [program.name for program in planned({}).programs]
    assert names == [plan.POSTGRES, plan.FURNISHER, plan.DEVCLUSTER, *plan.AIRFLOW]


def test_no_secret_stands_on_a_command_line() -> None:
    for program in planned({}).programs:
        assert not [key for key in asdict(KEYS).values() if key in " ".join(program.argv)], program.name


def test_only_airflow_sees_passwords() -> None:
    for program in planned({}).programs:
        seen = [name for name, key in asdict(KEYS).items() if key in json.dumps(dict(program.env))]
        assert bool(seen) == program.name.startswith("airflow-"), (program.name, seen)


def test_every_program_carries_the_marker_of_its_state_folder() -> None:
    assert {program.env["GAUNTLET_STACK"] for program in planned({}).programs} == {"/state"}


def test_what_a_shell_says_about_another_airflow_or_python_is_not_passed_on() -> None:
    foreign = {"AIRFLOW__CORE__EXECUTOR": "X", "AIRFLOW_HOME": "/x", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHOME": "/x"}
    for program in planned(foreign).programs:
        env = {**program.surroundings, **program.env}
        assert not [name for name, value in foreign.items() if env.get(name) == value]


def test_a_persons_connections_and_credentials_reach_airflow() -> None:
    env = {"AIRFLOW_CONN_SLACK": "slack://x", "AWS_PROFILE": "lab", "https_proxy": "http://proxy"}
    scheduler = planned(env).program("airflow-scheduler")
    assert {name: scheduler.env[name] for name in env} == env


def test_a_persons_own_settings_win() -> None:
    made = planned({"GAUNTLET_NAMESPACE": "mine", "GAUNTLET_STORE_URL": "s3://bucket/x"})
    settings = Settings.from_env(made.settings)
    assert (settings.namespace, settings.store_url) == ("mine", "s3://bucket/x")
    connection = json.loads(made.program("airflow-scheduler").env["AIRFLOW_CONN_GAUNTLET_CLUSTER"])
    assert connection["extra"]["namespace"] == "mine"


def test_settings_are_complete_without_a_word_from_the_person() -> None:
    settings = Settings.from_env(planned({}).settings)
    assert settings.store_url == "file:///state/store"
    assert settings.database_url.get_secret_value().startswith("postgresql+psycopg://gauntlet:")


def test_another_shell_makes_no_other_program() -> None:
    here = planned({"PATH": "/bin", "LANG": "C"})
    there = planned({"PATH": "/venv/bin:/bin", "LANG": "de_DE.UTF-8", "SHLVL": "3"})
    assert [each.identity() for each in here.programs] == [each.identity() for each in there.programs]


def test_another_setting_makes_airflow_another_program_and_leaves_postgres_alone() -> None:
    before, after = planned({}), planned({"GAUNTLET_NAMESPACE": "mine"})
    assert before.program("postgres").identity() == after.program("postgres").identity()
    assert before.program("airflow-scheduler").identity() != after.program("airflow-scheduler").identity()


def test_a_persons_cluster_replaces_devcluster_and_is_a_connection_not_a_variable(kubeconfig: Path) -> None:
    made = planned({"KUBECONFIG": f"/nowhere:{kubeconfig}", "GAUNTLET_STORE_URL": "s3://bucket"})
    assert plan.DEVCLUSTER not in {program.name for program in made.programs}
    scheduler = made.program("airflow-scheduler")
    assert "KUBECONFIG" not in {**scheduler.surroundings, **scheduler.env}
    assert json.loads(scheduler.env["AIRFLOW_CONN_GAUNTLET_CLUSTER"])["extra"]["kube_config_path"] == str(kubeconfig)


@pytest.mark.parametrize("store", ["", "file:///data"])
def test_a_store_that_pods_elsewhere_cannot_reach_is_refused(kubeconfig: Path, store: str) -> None:
    with pytest.raises(plan.ClusterError, match=r"cannot reach a store in a folder .* Set GAUNTLET_STORE_URL=s3://"):
        planned({"KUBECONFIG": str(kubeconfig), "GAUNTLET_STORE_URL": store})


def test_a_shared_folder_will_do_when_its_claim_is_named(kubeconfig: Path) -> None:
    env = {"KUBECONFIG": str(kubeconfig), "GAUNTLET_STORE_URL": "file:///nfs", "GAUNTLET_STORE_CLAIM": "nfs"}
    assert not planned(env).cluster.own


def test_a_kubeconfig_that_is_not_there_is_refused_and_not_ignored() -> None:
    with pytest.raises(plan.ClusterError, match=r"KUBECONFIG: names no file that exists \(/nowhere\)"):
        planned({"KUBECONFIG": "/nowhere"})
