"""Housekeeping of executions: open ones whose DAG run is over, and old ones whose time is over."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from gauntlet.runs.states import State, Status
from gauntlet.settings import current
from gauntlet.storage import executions, retention
from gauntlet.testing.lifecycle.installation import store, transaction

# A row is made before its DAG run; the time between the two is no reason to close it.
_SUBMISSION_GRACE = dt.timedelta(minutes=5)
_OVER = frozenset({"success", "failed", "absent"})


@dataclass(frozen=True)
class OpenRun:
    """An execution without a verdict, and the DAG run it should have."""

    execution: str
    dag_id: str
    run_id: str
    submitted_at: dt.datetime


def open_runs() -> list[OpenRun]:
    """All executions that have no verdict yet."""
    with transaction() as connection:
        found = [
            row
            for status in (Status.QUEUED, Status.RUNNING)
            for row in executions.find(connection, status=status, limit=10_000)
        ]
    return [OpenRun(row.public_id, row.dag_id or "", row.run_id or "", row.submitted_at) for row in found]


def reconcile(open_run: OpenRun, dag_run_state: str) -> bool:
    """Close an execution whose DAG run is over.

    :param dag_run_state: as Airflow says, or ``absent``.
    :returns: whether it was closed.
    """
    if dag_run_state not in _OVER:
        return False
    if dt.datetime.now(dt.UTC) - open_run.submitted_at < _SUBMISSION_GRACE and dag_run_state == "absent":
        return False
    with transaction() as connection:
        execution = executions.get(connection, open_run.execution)
        if execution.verdict is not None:
            return False
        waiting = execution.status is Status.QUEUED
        executions.conclude(
            connection,
            execution.execution_id,
            State.CANCELLED if waiting or dag_run_state == "failed" else State.FAILED,
            cause="Cancelled" if waiting or dag_run_state == "failed" else "DagRunLost",
            reason=f"its DAG run is {dag_run_state} and left no verdict",
            exit_code=2,
        )
    return True


def cancel_waiting(dag_id: str, run_id: str) -> bool:
    """Close the execution of a DAG run that ended while it waited for admission.

    :returns: whether there was one to close.
    """
    with transaction() as connection:
        execution = executions.of_dag_run(connection, dag_id, run_id)
        if execution is None or execution.verdict is not None or execution.status is not Status.QUEUED:
            return False
        executions.conclude(
            connection,
            execution.execution_id,
            State.CANCELLED,
            cause="Cancelled",
            reason="the run was cancelled while it waited",
            exit_code=2,
        )
    return True


def retire_runs() -> list[str]:
    """Remove rows and objects of executions older than the retention.

    :returns: public ids of what was removed. Objects go first: a row without objects is found again, objects
        without a row are not.
    """
    limit = dt.datetime.now(dt.UTC) - dt.timedelta(days=current().run_retention_days)
    with transaction() as connection:
        old = retention.expired(connection, limit)
    for execution in old:
        with transaction() as connection:
            retention.remove(connection, store(), [execution])
    return [execution.public_id for execution in old]
