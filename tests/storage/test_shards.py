"""Shards as rows, before, while and after they run."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import Connection

from gauntlet.runs.ids import new_execution_id
from gauntlet.runs.states import ShardStatus
from gauntlet.storage import attempts, executions, shards
from gauntlet.storage.executions import NewExecution
from gauntlet.storage.tables import test_shards


@pytest.fixture
def execution_id(connection: Connection) -> uuid.UUID:
    return executions.create(connection, NewExecution(new_execution_id(), "TestSuite", "s")).execution_id


def test_planned_shards_are_pending(connection: Connection, execution_id: uuid.UUID) -> None:
    shards.plan(connection, execution_id, {1: 20, 0: 30})
    rows = shards.of_execution(connection, execution_id)
    assert [(row.index, row.status, row.planned, row.attempts, row.attempt) for row in rows] == [
        (0, ShardStatus.PENDING, 30, 0, 0),
        (1, ShardStatus.PENDING, 20, 0, 0),
    ]


def test_a_shard_whose_pod_started_is_running_and_names_its_latest_attempt(
    connection: Connection, execution_id: uuid.UUID
) -> None:
    shards.plan(connection, execution_id, {0: 30})
    attempts.record_started(connection, execution_id, 0, 1, pod="first", node="n1")
    attempts.record_started(connection, execution_id, 0, 2, pod="second", node="n2")
    [row] = shards.of_execution(connection, execution_id)
    assert (row.status, row.attempts, row.attempt, row.pod, row.node) == (ShardStatus.RUNNING, 2, 2, "second", "n2")


def test_the_inventory_is_not_listed_as_a_shard(connection: Connection, execution_id: uuid.UUID) -> None:
    attempts.record_started(connection, execution_id, -1, 1, pod="inventory")
    assert shards.of_execution(connection, execution_id) == []


def test_a_new_plan_replaces_the_old_one_and_keeps_the_inventory(
    connection: Connection, execution_id: uuid.UUID
) -> None:
    attempts.record_started(connection, execution_id, -1, 1)
    shards.plan(connection, execution_id, {0: 1, 1: 1, 2: 1})
    attempts.record_started(connection, execution_id, 1, 1)
    shards.plan(connection, execution_id, {0: 5, 1: 6})
    rows = shards.of_execution(connection, execution_id)
    assert [(row.index, row.planned, row.status) for row in rows] == [
        (0, 5, ShardStatus.PENDING),
        (1, 6, ShardStatus.PENDING),
    ]
    assert [row.shard for row in attempts.of_execution(connection, execution_id)] == [-1, 1]


def test_planning_nothing_leaves_nothing(connection: Connection, execution_id: uuid.UUID) -> None:
    shards.plan(connection, execution_id, {0: 1})
    shards.plan(connection, execution_id, {})
    assert shards.of_execution(connection, execution_id) == []


def test_a_judged_shard_runs_again_when_it_gets_another_attempt_and_not_by_hearing_of_the_old_one(
    connection: Connection, execution_id: uuid.UUID
) -> None:
    attempts.record_started(connection, execution_id, 0, 1)
    connection.execute(test_shards.update().values(status="failed"))
    attempts.record_started(connection, execution_id, 0, 1)
    assert shards.of_execution(connection, execution_id)[0].status is ShardStatus.FAILED
    attempts.record_started(connection, execution_id, 0, 2)
    assert shards.of_execution(connection, execution_id)[0].status is ShardStatus.RUNNING
