"""Which runs have been kept long enough, and removing them: objects first, then rows, so that a failure leaves
rows that name what is still to be removed, and never objects that nobody knows of.

Deciding when is the caller's: it gives the moment before which a finished run may go.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, delete, select

from gauntlet.runs.states import State
from gauntlet.storage import layout
from gauntlet.storage.tables import test_executions, test_results

#: An execution that is still on is never removed, however old.
_REMOVABLE = [
    state.value
    for state in (
        State.COMPLETED,
        State.FAILED,
        State.TIMEOUT,
        State.CANCELLED,
        State.EXPIRED,
        State.REJECTED,
        State.CLEANUP,
        State.ARCHIVED,
    )
]


class Store(Protocol):
    """What retention needs of the object store."""

    def delete(self, prefix: str) -> None:
        """Delete everything below a prefix."""


@dataclass(frozen=True, slots=True)
class Expired:
    """A run that has been kept long enough."""

    execution_id: uuid.UUID
    public_id: str
    completed_at: dt.datetime


def expired(connection: Connection, before: dt.datetime, *, limit: int = 100) -> list[Expired]:
    """Finished runs that ended before a moment, the oldest first; what :func:`remove` would remove."""
    table = test_executions.c
    statement = (
        select(table.execution_id, table.public_id, table.completed_at)
        .where(table.state.in_(_REMOVABLE), table.completed_at < before)
        .order_by(table.completed_at)
        .limit(limit)
    )
    return [Expired(*row) for row in connection.execute(statement)]


def remove(connection: Connection, store: Store, runs: list[Expired]) -> int:
    """Remove runs with everything that belongs to them.

    :returns: how many executions were removed.
    """
    for run in runs:
        store.delete(layout.run(run.public_id))
    return delete_rows(connection, [run.execution_id for run in runs])


def delete_rows(connection: Connection, execution_ids: list[uuid.UUID]) -> int:
    """Delete executions and all rows that belong to them; objects are left alone.

    :returns: how many executions were deleted.
    """
    connection.execute(delete(test_results).where(test_results.c.execution_id.in_(execution_ids)))
    gone = connection.execute(delete(test_executions).where(test_executions.c.execution_id.in_(execution_ids)))
    return gone.rowcount
