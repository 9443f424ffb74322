"""Artifacts as rows."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from sqlalchemy import Connection, select

from gauntlet.runs.ids import new_execution_id
from gauntlet.storage import artifacts, executions
from gauntlet.storage.executions import NewExecution
from gauntlet.storage.tables import test_artifacts
from gauntlet.testing.results.model import Artifact


@pytest.fixture
def execution_id(connection: Connection) -> uuid.UUID:
    return executions.create(connection, NewExecution(new_execution_id(), "TestSuite", "s")).execution_id


def test_artifacts_come_back_as_they_were_by_path(connection: Connection, execution_id: uuid.UUID) -> None:
    log = Artifact("log", "b.log", "runs/x/b.log", 10, "text/plain", "ab" * 32, shard=1, attempt=2)
    picture = Artifact("screenshot", "a.png", "runs/x/a.png", 3_000_000_000, "image/png")
    artifacts.store(connection, execution_id, [log, picture])
    assert artifacts.of_execution(connection, execution_id) == [picture, log]


def test_an_unknown_type_is_other_and_the_same_path_again_is_brought_up_to_date(
    connection: Connection, execution_id: uuid.UUID
) -> None:
    artifacts.store(connection, execution_id, [Artifact("hologram", "a", "runs/x/a", 1)])
    until = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    again = [Artifact("hologram", "a", "runs/x/a", 2), Artifact("hologram", "a", "runs/x/a", 3)]
    artifacts.store(connection, execution_id, again, expires_at=until)
    [row] = connection.execute(select(test_artifacts)).mappings()
    assert (row["artifact_type"], row["file_size_bytes"], row["expires_at"]) == ("other", 3, until)
