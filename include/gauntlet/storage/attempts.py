"""Attempts as they happen: which pod an attempt got and how it died, written while the run is on.

Functions over a connection; the caller owns the transaction. Each may be called again and again with the same
outcome. What an attempt did is its manifest's to say; here is what was seen from outside. Shard -1 is the inventory.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.dialects.postgresql import Insert, insert

from gauntlet.runs.states import ShardStatus
from gauntlet.storage.tables import test_attempts, test_shards
from gauntlet.testing.results.merge import DIED
from gauntlet.testing.results.model import Death

STARTED = "started"


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One row of ``test_attempts``; ``state`` is ``started``, ``died`` or a manifest's state."""

    shard: int
    attempt: int
    state: str
    cause: str
    message: str
    pod: str
    node: str
    started_at: dt.datetime | None
    finished_at: dt.datetime | None

    @property
    def death(self) -> Death | None:
        """How it died, when that was written down."""
        return Death(self.cause, self.message, self.pod, self.node) if self.state == DIED else None


def record_started(
    connection: Connection, execution_id: uuid.UUID, shard: int, attempt: int, *, pod: str = "", node: str = ""
) -> None:
    """Write down that an attempt has a pod. An attempt that is known already keeps its beginning and its end.

    :param shard: index from 0; -1 for the inventory.
    :param attempt: from 1.
    """
    _ensure_shard(connection, execution_id, shard, attempt)
    row = {
        "execution_id": execution_id,
        "shard": shard,
        "attempt": attempt,
        "pod_name": pod,
        "node_name": node,
        "state": STARTED,
        "started_at": func.now(),
    }
    statement = insert(test_attempts).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["execution_id", "shard", "attempt"],
            set_={
                "pod_name": _given_or_kept(statement, "pod_name"),
                "node_name": _given_or_kept(statement, "node_name"),
            },
        )
    )


def record_death(
    connection: Connection,
    execution_id: uuid.UUID,
    shard: int,
    attempt: int,
    *,
    cause: str,
    message: str = "",
    pod: str = "",
    node: str = "",
) -> None:
    """Write down how an attempt's pod ended when it left no manifest. Said again, the last word counts.

    :param cause: a CamelCase word such as ``OOMKilled``.
    :param message: the cause as a sentence.
    """
    _ensure_shard(connection, execution_id, shard, attempt)
    row = {
        "execution_id": execution_id,
        "shard": shard,
        "attempt": attempt,
        "pod_name": pod,
        "node_name": node,
        "state": DIED,
        "cause": cause,
        "message": message,
        "finished_at": func.now(),
    }
    statement = insert(test_attempts).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["execution_id", "shard", "attempt"],
            set_={
                "state": DIED,
                "cause": cause,
                "message": message,
                "pod_name": _given_or_kept(statement, "pod_name"),
                "node_name": _given_or_kept(statement, "node_name"),
                "finished_at": func.coalesce(test_attempts.c.finished_at, func.now()),
            },
        )
    )


def of_execution(connection: Connection, execution_id: uuid.UUID) -> list[AttemptRow]:
    """All attempts of an execution by shard and number, the inventory's first."""
    table = test_attempts.c
    statement = (
        select(
            table.shard,
            table.attempt,
            table.state,
            table.cause,
            table.message,
            table.pod_name,
            table.node_name,
            table.started_at,
            table.finished_at,
        )
        .where(table.execution_id == execution_id)
        .order_by(table.shard, table.attempt)
    )
    return [AttemptRow(*row) for row in connection.execute(statement)]


def _ensure_shard(connection: Connection, execution_id: uuid.UUID, shard: int, attempt: int) -> None:
    """A shard with an attempt that nobody knew of is running, whatever was said of it before."""
    known = select(test_attempts.c.attempt).where(
        test_attempts.c.execution_id == execution_id,
        test_attempts.c.shard == shard,
        test_attempts.c.attempt == attempt,
    )
    if connection.execute(known).first() is not None:
        return
    running = ShardStatus.RUNNING.value
    statement = insert(test_shards).values(
        execution_id=execution_id, shard=shard, status=running, started_at=func.now()
    )
    begun = {"status": running, "started_at": func.coalesce(test_shards.c.started_at, func.now()), "finished_at": None}
    connection.execute(statement.on_conflict_do_update(index_elements=["execution_id", "shard"], set_=begun))


def _given_or_kept(statement: Insert, column: str) -> ColumnElement[str]:
    """What is given now, else what is known already."""
    return func.coalesce(func.nullif(statement.excluded[column], ""), test_attempts.c[column])
