"""An execution's row: made once, moved only where the table of states allows, each change written down."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from gauntlet.runs.ids import execution_id_of_dag_run, new_execution_id
from gauntlet.runs.states import VERDICTS, ImpossibleTransitionError, State, Status, status_of
from gauntlet.storage import database, executions
from gauntlet.storage.executions import ExecutionExistsError, NewExecution, UnknownExecutionError
from gauntlet.storage.tables import STATUS_EXPRESSION

WAY_TO_RUNNING = [State.QUEUED, State.SCHEDULED, State.INITIALIZING, State.RUNNING]


def a_new_one(run_id: str = "manual__1", name: str = "networkx") -> NewExecution:
    return NewExecution(
        execution_id_of_dag_run("suite__networkx", run_id),
        "TestSuite",
        name,
        definition={"name": name, "config": {"parallelism": 2}},
        dag_id="suite__networkx",
        run_id=run_id,
        submitted_by="ann",
    )


def running(connection: Connection, run_id: str = "manual__1") -> uuid.UUID:
    made = executions.create(connection, a_new_one(run_id))
    for state in WAY_TO_RUNNING:
        executions.move(connection, made.execution_id, state)
    return made.execution_id


def test_what_was_submitted_can_be_read_by_every_key(connection: Connection) -> None:
    made = executions.create(connection, a_new_one())
    assert made.state is State.SUBMITTED
    assert made.status is Status.QUEUED
    assert made.priority == 5
    for key in (made.execution_id, str(made.execution_id), made.public_id):
        assert executions.get(connection, key) == made
    assert executions.of_dag_run(connection, "suite__networkx", "manual__1") == made
    assert executions.of_dag_run(connection, "suite__networkx", "other") is None


def test_making_the_same_execution_twice_makes_one(connection: Connection) -> None:
    first = executions.create(connection, a_new_one())
    executions.move(connection, first.execution_id, State.QUEUED)
    again = executions.create(connection, a_new_one())
    assert again.state is State.QUEUED
    assert again.execution_id == first.execution_id
    assert len(executions.find(connection)) == 1


def test_a_submitted_execution_gets_its_dag_run_later(connection: Connection) -> None:
    submitted = replace(a_new_one(), execution_id=new_execution_id(), dag_id="", run_id="")
    executions.create(connection, submitted)
    started = executions.create(connection, replace(submitted, dag_id="run_test", run_id="r1"))
    assert (started.dag_id, started.run_id) == ("run_test", "r1")
    assert executions.of_dag_run(connection, "run_test", "r1") == started


def test_a_dag_run_that_has_an_execution_keeps_it(connection: Connection) -> None:
    first = executions.create(connection, a_new_one())
    again = executions.create(connection, replace(a_new_one(), execution_id=new_execution_id()))
    assert again == first


def test_an_id_cannot_be_used_for_something_else(connection: Connection) -> None:
    made = executions.create(connection, a_new_one())
    other = replace(a_new_one(), name="scipy")
    with pytest.raises(ExecutionExistsError, match=f"there is already {made.public_id}"):
        executions.create(connection, other)


@pytest.mark.parametrize("key", ["exec-000000000000", "00000000-0000-0000-0000-000000000000", "' OR 1=1 --", ""])
def test_an_unknown_id_is_said_to_be_unknown(connection: Connection, key: str) -> None:
    with pytest.raises(UnknownExecutionError):
        executions.get(connection, key)


def test_each_move_is_written_down_with_its_cause(connection: Connection) -> None:
    execution_id = running(connection)
    executions.move(connection, execution_id, State.FAILED, "OOMKilled", "shard 1 was lost")
    changes = executions.transitions(connection, execution_id)
    assert [change.to_state for change in changes] == [State.SUBMITTED, *WAY_TO_RUNNING, State.FAILED]
    assert [change.from_state for change in changes[:2]] == [None, State.SUBMITTED]
    assert changes[-1].cause == "OOMKilled"
    assert [change.occurred_at for change in changes] == sorted(change.occurred_at for change in changes)
    failed = executions.get(connection, execution_id)
    assert (failed.failure_cause, failed.failure_reason) == ("OOMKilled", "shard 1 was lost")
    assert failed.started_at is not None
    assert failed.completed_at is not None


def test_moving_to_where_it_is_changes_nothing(connection: Connection) -> None:
    execution_id = running(connection)
    before = executions.transitions(connection, execution_id)
    executions.move(connection, execution_id, State.RUNNING)
    assert executions.transitions(connection, execution_id) == before


def test_an_impossible_move_is_refused_and_leaves_the_row_alone(connection: Connection) -> None:
    execution_id = running(connection)
    with pytest.raises(ImpossibleTransitionError):
        executions.move(connection, execution_id, State.QUEUED)
    assert executions.get(connection, execution_id).state is State.RUNNING


def test_the_verdict_stays_through_clean_up_and_archive(connection: Connection) -> None:
    execution_id = running(connection)
    executions.conclude(connection, execution_id, State.COMPLETED, exit_code=0, metrics={"passed": 3})
    for state in (State.CLEANUP, State.ARCHIVED):
        moved = executions.move(connection, execution_id, state)
        assert (moved.state, moved.verdict, moved.status) == (state, State.COMPLETED, Status.COMPLETED)
    again = executions.conclude(connection, execution_id, State.COMPLETED, exit_code=0)
    assert (again.state, again.metrics) == (State.ARCHIVED, {"passed": 3})


def test_concluding_passes_every_state_on_the_way(connection: Connection) -> None:
    execution_id = running(connection)
    done = executions.conclude(connection, execution_id, State.COMPLETED, exit_code=0)
    assert (done.state, done.status, done.exit_code) == (State.COMPLETED, Status.COMPLETED, 0)
    assert [change.to_state for change in executions.transitions(connection, execution_id)][-2:] == [
        State.COMPLETING,
        State.COMPLETED,
    ]


def test_a_failed_run_that_is_cleared_and_passes_was_retried(connection: Connection) -> None:
    execution_id = running(connection)
    executions.conclude(connection, execution_id, State.FAILED, cause="TestsFailed", reason="1 failed", exit_code=1)
    done = executions.conclude(connection, execution_id, State.COMPLETED, exit_code=0)
    assert (done.status, done.retry_count, done.failure_cause, done.exit_code) == (Status.COMPLETED, 1, "", 0)
    assert State.RETRYING in [change.to_state for change in executions.transitions(connection, execution_id)]


def test_a_cleared_run_is_judged_anew_even_after_its_clean_up(connection: Connection) -> None:
    execution_id = running(connection)
    executions.conclude(connection, execution_id, State.COMPLETED, exit_code=0)
    executions.move(connection, execution_id, State.CLEANUP)
    failed = executions.conclude(connection, execution_id, State.FAILED, cause="TestsFailed", exit_code=1)
    assert (failed.status, failed.retry_count, failed.exit_code) == (Status.FAILED, 1, 1)


def test_a_refused_definition_gets_no_other_verdict(connection: Connection) -> None:
    made = executions.create(connection, a_new_one())
    executions.conclude(connection, made.execution_id, State.REJECTED, cause="SecretMissing", exit_code=3)
    with pytest.raises(ImpossibleTransitionError, match="cannot go from rejected to completed"):
        executions.conclude(connection, made.execution_id, State.COMPLETED)


@pytest.mark.parametrize("start", [[], *[WAY_TO_RUNNING[: n + 1] for n in range(4)]])
@pytest.mark.parametrize("verdict", [State.COMPLETED, State.FAILED, State.TIMEOUT, State.CANCELLED])
def test_every_verdict_can_be_reached_while_a_run_is_on(
    connection: Connection, start: list[State], verdict: State
) -> None:
    made = executions.create(connection, a_new_one())
    for state in start:
        executions.move(connection, made.execution_id, state)
    assert executions.conclude(connection, made.execution_id, verdict, cause="Why").verdict is verdict


def test_two_writers_cannot_both_win(migrated_url: str) -> None:
    with database.begin(migrated_url) as connection:
        execution_id = running(connection)
    outcomes: list[str] = []

    def finish(verdict: State) -> None:
        try:
            with database.begin(migrated_url) as connection:
                executions.move(connection, execution_id, verdict)
            outcomes.append("moved")
        except ImpossibleTransitionError:
            outcomes.append("refused")

    threads = [threading.Thread(target=finish, args=(verdict,)) for verdict in (State.FAILED, State.CANCELLED)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["moved", "refused"]


def test_release_is_written_down_once(connection: Connection) -> None:
    execution_id = running(connection)
    first = executions.mark_released(connection, execution_id).released_at
    assert first is not None
    assert executions.mark_released(connection, execution_id).released_at == first


def test_executions_are_found_by_what_is_asked_for(connection: Connection) -> None:
    first = executions.create(connection, a_new_one("1"))
    second = executions.create(connection, a_new_one("2", name="scipy"))
    executions.move(connection, second.execution_id, State.REJECTED, "Refused")
    found = [
        [one.name for one in executions.find(connection, **filters)]  # type: ignore[arg-type]
        for filters in (
            {"name": "scipy"},
            {"status": Status.REJECTED},
            {"status": Status.QUEUED},
            {"submitted_by": "bob"},
            {"since": first.submitted_at, "limit": 1},
        )
    ]
    assert found[:4] == [["scipy"], ["scipy"], ["networkx"], []]
    assert len(found[4]) == 1


@pytest.mark.parametrize("state", [state for state in State if state not in (State.CLEANUP, State.ARCHIVED)])
def test_the_status_in_sql_is_the_status_in_python(connection: Connection, state: State) -> None:
    verdict = state if state in VERDICTS else None
    inputs = "SELECT CAST(:state AS text) AS state, CAST(:verdict AS text) AS verdict"
    query = text(f"SELECT {STATUS_EXPRESSION} FROM ({inputs}) AS inputs")  # noqa: S608
    assert connection.execute(query, {"state": state, "verdict": verdict}).scalar() == status_of(state, verdict)
