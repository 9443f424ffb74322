"""No execution stays open when its DAG run is over, and none stays for ever."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import update

from gauntlet.runs.ids import new_execution_id
from gauntlet.runs.states import State
from gauntlet.storage import executions, layout
from gauntlet.storage.executions import Execution, NewExecution, UnknownExecutionError
from gauntlet.storage.tables import test_executions as executions_table
from gauntlet.testing.lifecycle import upkeep
from gauntlet.testing.lifecycle.installation import store, transaction

pytestmark = pytest.mark.usefixtures("installed")


def execution(state: State = State.SUBMITTED, *, age: dt.timedelta = dt.timedelta()) -> Execution:
    identity = new_execution_id()
    with transaction() as connection:
        made = executions.create(
            connection,
            NewExecution(execution_id=identity, kind="TestSuite", name="x", dag_id="d", run_id=str(identity)),
        )
        if state is not State.SUBMITTED:
            for step in (State.VALIDATING, State.QUEUED, State.SCHEDULED, State.INITIALIZING, State.RUNNING):
                executions.move(connection, identity, step)
                if step is state:
                    break
        connection.execute(
            update(executions_table)
            .where(executions_table.c.execution_id == identity)
            .values(submitted_at=dt.datetime.now(dt.UTC) - age)
        )
    return made


def now(one: Execution) -> Execution:
    with transaction() as connection:
        return executions.get(connection, one.execution_id)


def open_run(one: Execution) -> upkeep.OpenRun:
    return next(found for found in upkeep.open_runs() if found.execution == one.public_id)


@pytest.mark.parametrize(
    ("state", "dag_run", "verdict"),
    [
        (State.SUBMITTED, "failed", State.CANCELLED),
        (State.QUEUED, "absent", State.CANCELLED),
        (State.RUNNING, "failed", State.CANCELLED),
        (State.RUNNING, "success", State.FAILED),
        (State.RUNNING, "absent", State.FAILED),
    ],
)
def test_an_open_execution_is_closed_when_its_dag_run_is_over(state: State, dag_run: str, verdict: State) -> None:
    one = execution(state, age=dt.timedelta(hours=1))
    assert upkeep.reconcile(open_run(one), dag_run)
    assert now(one).verdict is verdict
    assert now(one).exit_code == 2


def test_an_execution_whose_dag_run_goes_on_is_left_alone() -> None:
    one = execution(State.RUNNING)
    assert not upkeep.reconcile(open_run(one), "running")
    assert now(one).verdict is None


def test_a_submission_whose_dag_run_is_just_being_made_is_left_alone() -> None:
    one = execution()
    assert not upkeep.reconcile(open_run(one), "absent")


def test_a_run_that_is_cancelled_while_it_waits_is_closed_once() -> None:
    one = execution(State.QUEUED)
    assert one.run_id is not None
    assert upkeep.cancel_waiting("d", one.run_id)
    assert not upkeep.cancel_waiting("d", one.run_id)
    assert now(one).verdict is State.CANCELLED


def test_a_run_that_is_at_work_is_not_closed_by_its_dag_runs_end() -> None:
    one = execution(State.RUNNING)
    assert one.run_id is not None
    assert not upkeep.cancel_waiting("d", one.run_id)


def test_old_runs_go_with_their_objects_and_young_ones_stay() -> None:
    old, young = execution(State.RUNNING), execution(State.RUNNING)
    for one in (old, young):
        store().write(layout.definition(one.public_id), b"{}")
        with transaction() as connection:
            executions.conclude(connection, one.execution_id, State.FAILED, cause="X", exit_code=1)
    with transaction() as connection:
        connection.execute(
            update(executions_table)
            .where(executions_table.c.execution_id == old.execution_id)
            .values(completed_at=dt.datetime.now(dt.UTC) - dt.timedelta(days=91))
        )
    assert upkeep.retire_runs() == [old.public_id]
    with pytest.raises(UnknownExecutionError):
        now(old)
    assert not store().exists(layout.definition(old.public_id))
    assert store().exists(layout.definition(young.public_id))
