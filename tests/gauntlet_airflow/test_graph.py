"""The graph of a suite is wired as it must be, and building it touches neither database nor cluster."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gauntlet.definitions.loader import load_text

SUITE = """\
kind: TestSuite
name: shop
description: the shop's tests
doc: "# more about it"
type: pytest
tags: [nightly]
labels: {team: payments}
schedule: "0 2 * * *"
timezone: Europe/Berlin
content: {type: package, package: networkx}
config: {parallelism: 3}
"""


@pytest.fixture(scope="module")
def dag() -> Any:
    from gauntlet_airflow.graphs import dag_of

    document = json.dumps(load_text(SUITE, file="shop.yaml").document())
    return dag_of(dag_id="suite__shop", source="suites/shop.yaml", scheduled=True, document=document)


def test_the_tasks_follow_one_another(dag: Any) -> None:
    chain = ["admit", "inventory", "plan", "run_shard", "aggregate", "notify", "release"]
    assert sorted(dag.task_ids) == sorted(chain)
    for before, after in itertools.pairwise(chain):
        assert after in dag.get_task(before).downstream_task_ids


def test_what_follows_the_shards_runs_whatever_happened(dag: Any) -> None:
    assert dag.get_task("admit").is_setup
    assert all(dag.get_task(name).is_teardown for name in ("aggregate", "notify", "release"))
    assert dag.get_task("aggregate").on_failure_fail_dagrun
    assert not dag.get_task("notify").on_failure_fail_dagrun


def test_the_definitions_words_reach_airflow(dag: Any) -> None:
    assert dag.description == "the shop's tests"
    assert {"nightly", "pytest", "gauntlet"} <= set(dag.tags)
    assert "more about it" in dag.doc_md
    assert dag.params["parallelism"] == 3
    assert dag.get_task("plan").owner == "payments"
    assert str(dag.timetable.summary) == "0 2 * * *"


def test_a_deleted_definition_has_no_schedule() -> None:
    from gauntlet_airflow.graphs import dag_of

    document = json.dumps(load_text(SUITE, file="shop.yaml").document())
    gone = dag_of(dag_id="suite__shop", source="suites/shop.yaml", scheduled=False, document=document)
    assert gone.schedule is None


def test_no_dag_file_reaches_for_the_database_or_a_cloud_when_it_is_parsed() -> None:
    code = (
        "import sys; sys.path.insert(0, 'dags'); import run_test, housekeeping; "
        "bad = {'gauntlet.storage.database', 'gauntlet.testing.lifecycle.attempts', 'boto3', 's3fs', 'pandas', "
        "'sklearn'} & set(sys.modules); print(sorted(bad))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
