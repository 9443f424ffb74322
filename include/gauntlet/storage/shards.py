"""Shards as rows: planned before they run, read while they run, and judged by ``results`` when they have run.

Functions over a connection; the caller owns the transaction. The inventory's attempts stand under shard -1, which
is no shard of the plan and is never listed here.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from gauntlet.runs.states import ShardStatus
from gauntlet.storage.tables import test_attempts, test_shards


@dataclass(frozen=True, slots=True)
class ShardRow:
    """One row of ``test_shards`` with its latest attempt.

    :param counts: of its merged cases under the doors' names; empty until the run was judged.
    :param attempts: how many were made.
    :param attempt: number of the latest; 0 when none was made.
    :param pod: of the latest attempt.
    """

    index: int
    status: ShardStatus
    cause: str
    message: str
    planned: int
    counts: Mapping[str, int]
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    attempts: int
    attempt: int
    pod: str
    node: str


def plan(connection: Connection, execution_id: uuid.UUID, planned: Mapping[int, int]) -> None:
    """Write down the shards of a plan as pending; those of an earlier plan that are not in it go.

    A shard that is there already, with the attempts it has had, keeps them, and becomes pending again: a plan is
    made anew only when its run is.

    :param planned: how many cases each shard has, by index from 0.
    """
    mine = (test_shards.c.execution_id == execution_id) & (test_shards.c.shard >= 0)
    connection.execute(delete(test_shards).where(mine, test_shards.c.shard.not_in(list(planned))))
    if not planned:
        return
    statement = insert(test_shards)
    fresh: dict[str, Any] = {
        "planned": statement.excluded.planned,
        "status": ShardStatus.PENDING.value,
        "cause": "",
        "message": "",
        "counts": {},
        "started_at": None,
        "finished_at": None,
    }
    rows = [{"execution_id": execution_id, "shard": shard, "planned": cases} for shard, cases in planned.items()]
    connection.execute(statement.on_conflict_do_update(index_elements=["execution_id", "shard"], set_=fresh), rows)


def of_execution(connection: Connection, execution_id: uuid.UUID) -> list[ShardRow]:
    """The shards of an execution by index."""
    shard, attempt = test_shards.c, test_attempts.c
    latest = (
        select(
            attempt.shard,
            attempt.attempt,
            attempt.pod_name,
            attempt.node_name,
            func.count().over(partition_by=attempt.shard).label("made"),
        )
        .where(attempt.execution_id == execution_id)
        .ext(distinct_on(attempt.shard))
        .order_by(attempt.shard, attempt.attempt.desc())
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
            func.coalesce(latest.c.made, 0),
            func.coalesce(latest.c.attempt, 0),
            func.coalesce(latest.c.pod_name, ""),
            func.coalesce(latest.c.node_name, ""),
        )
        .outerjoin(latest, latest.c.shard == shard.shard)
        .where(shard.execution_id == execution_id, shard.shard >= 0)
        .order_by(shard.shard)
    )
    return [_row(*row) for row in connection.execute(statement)]


def _row(index: int, status: str, *rest: Any) -> ShardRow:
    return ShardRow(index, ShardStatus(status), *rest)
