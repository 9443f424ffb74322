"""A run's shards as rows, from the plan on: what is to run, how it goes, how it ended.

Functions over a connection; the caller owns the transaction. How a shard ended is written by ``results``.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from gauntlet.runs.states import ShardStatus
from gauntlet.storage.tables import test_attempts, test_shards


@dataclass(frozen=True, slots=True)
class ShardRow:
    """One row of ``test_shards`` with its latest attempt; ``attempts`` is how many it had."""

    index: int
    status: ShardStatus
    cause: str
    message: str
    planned: int
    counts: Mapping[str, Any]
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    pod: str
    node: str
    attempts: int
    attempt: int


def plan(connection: Connection, execution_id: uuid.UUID, planned: Mapping[int, int]) -> None:
    """Write down the shards of a plan; those that are there already keep what they have become.

    :param planned: how many cases each shard runs, by index.
    """
    statement = insert(test_shards)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["execution_id", "shard"], set_={"planned": statement.excluded.planned}
        ),
        [{"execution_id": execution_id, "shard": shard, "planned": cases} for shard, cases in planned.items()],
    )


def of_execution(connection: Connection, execution_id: uuid.UUID) -> list[ShardRow]:
    """The shards of an execution by index; the inventory is none."""
    shard, attempt = test_shards.c, test_attempts.c
    latest = (
        select(
            attempt.shard,
            func.count().over(partition_by=attempt.shard).label("attempts"),
            attempt.attempt,
            attempt.pod_name,
            attempt.node_name,
            func.row_number().over(partition_by=attempt.shard, order_by=attempt.attempt.desc()).label("place"),
        )
        .where(attempt.execution_id == execution_id)
        .subquery()
    )
    statement = (
        select(
            shard.shard,
            shard.status,
            shard.cause,
            shard.message,
            shard.planned,
            shard.counts,
            shard.started_at,
            shard.finished_at,
            func.coalesce(latest.c.pod_name, ""),
            func.coalesce(latest.c.node_name, ""),
            func.coalesce(latest.c.attempts, 0),
            func.coalesce(latest.c.attempt, 0),
        )
        .outerjoin(latest, (latest.c.shard == shard.shard) & (latest.c.place == 1))
        .where(shard.execution_id == execution_id, shard.shard >= 0)
        .order_by(shard.shard)
    )
    return [ShardRow(row[0], ShardStatus(row[1]), *row[2:]) for row in connection.execute(statement)]
