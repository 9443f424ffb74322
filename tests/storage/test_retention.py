"""What may go, and that it goes whole."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from gauntlet.runs.ids import new_execution_id, public_id
from gauntlet.runs.states import CaseStatus, ShardStatus, State
from gauntlet.storage import executions, layout, results, retention
from gauntlet.storage.executions import NewExecution, UnknownExecutionError
from gauntlet.storage.objects import ObjectStore, StoreLocation
from gauntlet.storage.tables import metadata, test_executions
from gauntlet.testing.results.model import (
    Artifact,
    AttemptResult,
    CaseResult,
    Counts,
    RunResult,
    ShardResult,
    Verdict,
)

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


def finished(connection: Connection, days_ago: int) -> uuid.UUID:
    execution_id = new_execution_id()
    executions.create(connection, NewExecution(execution_id, "TestSuite", "s"))
    cases = (CaseResult("a", "a", CaseStatus.PASSED, "s"),)
    shard = ShardResult(0, ShardStatus.PASSED, attempts=(AttemptResult(1, "completed"),))
    artifact = Artifact("log", "output.log", f"runs/{public_id(execution_id)}/output.log", 1)
    verdict = Verdict(State.COMPLETED, "", "ok", 0)
    result = RunResult(
        execution_id, "TestSuite", "s", verdict, Counts.of(cases), (shard,), cases, artifacts=(artifact,)
    )
    results.store_run(connection, result)
    ended = NOW - dt.timedelta(days=days_ago)
    mine = test_executions.c.execution_id == execution_id
    connection.execute(test_executions.update().where(mine).values(completed_at=ended))
    return execution_id


def rows_by_table(connection: Connection) -> dict[str, int]:
    return {
        name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for name, table in metadata.tables.items()
    }


def test_only_runs_that_ended_before_the_moment_are_expired_the_oldest_first(connection: Connection) -> None:
    old, older, new = (finished(connection, days) for days in (100, 200, 10))
    unfinished = new_execution_id()
    executions.create(connection, NewExecution(unfinished, "TestSuite", "s"))
    found = [run.execution_id for run in retention.expired(connection, NOW - dt.timedelta(days=90))]
    assert found == [older, old]
    assert new not in found
    assert [run.execution_id for run in retention.expired(connection, NOW, limit=1)] == [older]


def test_a_run_goes_with_all_its_rows_and_objects(connection: Connection, tmp_path: Path) -> None:
    store = ObjectStore(StoreLocation(tmp_path.as_uri()))
    gone, stays = finished(connection, 100), finished(connection, 10)
    for execution_id in (gone, stays):
        store.write(layout.plan(public_id(execution_id)), b"{}")
    before = rows_by_table(connection)
    expired = retention.expired(connection, NOW - dt.timedelta(days=90))
    assert retention.remove(connection, store, expired) == 1
    after = rows_by_table(connection)
    left = {name: (count, after[name]) for name, count in before.items() if count}
    assert all(now * 2 == then for then, now in left.values()), left
    assert store.list("runs") == [layout.plan(public_id(stays))]
    with pytest.raises(UnknownExecutionError):
        executions.get(connection, gone)


def test_when_objects_cannot_be_deleted_the_rows_stay(connection: Connection) -> None:
    class Stubborn:
        """A store that does not answer."""

        def delete(self, prefix: str) -> None:
            raise OSError(f"no answer for {prefix}")

    finished(connection, 100)
    expired = retention.expired(connection, NOW)
    with pytest.raises(OSError, match="no answer"):
        retention.remove(connection, Stubborn(), expired)
    assert retention.expired(connection, NOW) == expired


def test_removing_nothing_removes_nothing(connection: Connection) -> None:
    assert retention.delete_rows(connection, []) == 0
