"""What is seen of attempts while a run is on can be written again and again, and reads the same."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import Connection, select

from gauntlet.runs.ids import new_execution_id
from gauntlet.storage import attempts, executions
from gauntlet.storage.executions import NewExecution
from gauntlet.storage.tables import test_shards
from gauntlet.testing.results.model import Death


@pytest.fixture
def execution_id(connection: Connection) -> uuid.UUID:
    return executions.create(connection, NewExecution(new_execution_id(), "TestSuite", "s")).execution_id


def test_an_attempt_that_started_is_running(connection: Connection, execution_id: uuid.UUID) -> None:
    attempts.record_started(connection, execution_id, 1, 1, pod="pod-1")
    [row] = attempts.of_execution(connection, execution_id)
    assert (row.shard, row.attempt, row.state, row.pod, row.death) == (1, 1, "started", "pod-1", None)
    assert row.started_at is not None
    assert connection.execute(select(test_shards.c.status)).scalars().all() == ["running"]


def test_what_is_learnt_later_is_added_and_nothing_is_forgotten(
    connection: Connection, execution_id: uuid.UUID
) -> None:
    attempts.record_started(connection, execution_id, 0, 1, pod="pod-0")
    attempts.record_started(connection, execution_id, 0, 1, node="node-1")
    attempts.record_death(connection, execution_id, 0, 1, cause="OOMKilled", message="over 256 MiB")
    attempts.record_started(connection, execution_id, 0, 1)
    [row] = attempts.of_execution(connection, execution_id)
    assert row.death == Death("OOMKilled", "over 256 MiB", "pod-0", "node-1")


def test_a_death_can_be_all_that_is_known(connection: Connection, execution_id: uuid.UUID) -> None:
    for _ in range(2):
        attempts.record_death(
            connection, execution_id, 2, 3, cause="ImageUnavailable", message="no such image", pod="p"
        )
    [row] = attempts.of_execution(connection, execution_id)
    assert (row.shard, row.attempt, row.cause, row.started_at) == (2, 3, "ImageUnavailable", None)
    assert row.finished_at is not None


def test_attempts_are_listed_by_shard_and_number_with_the_inventory_first(
    connection: Connection, execution_id: uuid.UUID
) -> None:
    for shard, attempt in ((1, 1), (0, 2), (0, 1), (-1, 1)):
        attempts.record_started(connection, execution_id, shard, attempt)
    listed = [(row.shard, row.attempt) for row in attempts.of_execution(connection, execution_id)]
    assert listed == [(-1, 1), (0, 1), (0, 2), (1, 1)]
