"""Executions as rows: made once however often they are asked for, moved only along the table of states.

Functions over a connection; the caller owns the transaction. Which change is possible is decided by
``gauntlet.runs.states``; here it is checked under the row's lock and written down.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from gauntlet.errors import GauntletError
from gauntlet.runs.ids import is_public_id, public_id
from gauntlet.runs.states import TRANSITIONS, VERDICTS, State, Status, check_transition
from gauntlet.storage.tables import execution_transitions, test_executions

#: States in which pods are at work or about to be.
_BEGUN = frozenset({State.INITIALIZING, State.RUNNING})
_OVER = frozenset({State.CLEANUP, State.ARCHIVED})


class UnknownExecutionError(GauntletError):
    """No execution has that id."""


class ExecutionExistsError(GauntletError):
    """An id is taken by another run, or a DAG run already has another execution."""


@dataclass(frozen=True, slots=True)
class NewExecution:
    """What is known of an execution when it is submitted.

    :param definition: the snapshot of the definition that all of the run reads.
    :param definition_id: the row of the mirrored definition, when there is one.
    :param dag_id: with ``run_id`` the Airflow DAG run; both empty until there is one.
    :param priority: 0 (first) to 9 (last).
    """

    execution_id: uuid.UUID
    kind: str
    name: str
    definition: Mapping[str, Any] = field(default_factory=dict)
    definition_id: uuid.UUID | None = None
    dag_id: str = ""
    run_id: str = ""
    submitted_by: str = ""
    priority: int = 5
    state: State = State.SUBMITTED


@dataclass(frozen=True, slots=True)
class Execution:
    """One row of ``test_executions``.

    :param verdict: the state in which its verdict was reached, None before.
    :param metrics: counts and durations of its results.
    """

    execution_id: uuid.UUID
    public_id: str
    definition_id: uuid.UUID | None
    kind: str
    name: str
    dag_id: str | None
    run_id: str | None
    state: State
    verdict: State | None
    status: Status
    priority: int
    submitted_by: str
    submitted_at: dt.datetime
    started_at: dt.datetime | None
    completed_at: dt.datetime | None
    released_at: dt.datetime | None
    retry_count: int
    failure_cause: str
    failure_reason: str
    exit_code: int | None
    definition: Mapping[str, Any]
    metrics: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state; ``from_state`` is None for the first."""

    from_state: State | None
    to_state: State
    cause: str
    occurred_at: dt.datetime


_COLUMNS = [column for column in test_executions.c if column.name != "results_digest"]


def create(connection: Connection, new: NewExecution) -> Execution:
    """Make an execution, or return the one that is there already.

    The same id twice, or the same DAG run twice, is one execution: a task that is retried changes nothing.

    :raises ExecutionExistsError: when the id belongs to another definition, or the DAG run to another execution.
    """
    values = {
        "execution_id": new.execution_id,
        "public_id": public_id(new.execution_id),
        "definition_id": new.definition_id,
        "kind": new.kind,
        "name": new.name,
        "dag_id": new.dag_id or None,
        "run_id": new.run_id or None,
        "state": new.state.value,
        "verdict": new.state.value if new.state in VERDICTS else None,
        "submitted_by": new.submitted_by,
        "priority": new.priority,
        "definition": dict(new.definition),
    }
    statement = upsert(test_executions).values(values).on_conflict_do_nothing().returning(*_COLUMNS)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        return _existing(connection, new)
    _record(connection, new.execution_id, None, new.state, "")
    return _execution(row)


def _existing(connection: Connection, new: NewExecution) -> Execution:
    """What stands in the way of a new row: the same execution, or a mistake."""
    same_dag_run = (test_executions.c.dag_id == new.dag_id) & (test_executions.c.run_id == new.run_id)
    same_id = test_executions.c.public_id == public_id(new.execution_id)
    rows = connection.execute(select(*_COLUMNS).where(or_(same_id, same_dag_run))).mappings().all()
    found = [_execution(row) for row in rows]
    if len(found) == 1 and (found[0].kind, found[0].name) == (new.kind, new.name):
        same = found[0].execution_id == new.execution_id
        if same and (found[0].dag_id or "") in ("", new.dag_id):
            return found[0] if found[0].dag_id or not new.dag_id else _attach(connection, new)
        if not same and found[0].run_id == new.run_id and found[0].dag_id == new.dag_id:
            return found[0]
    taken = ", ".join(f"{one.public_id} ({one.kind} {one.name}, DAG run {one.dag_id}/{one.run_id})" for one in found)
    raise ExecutionExistsError(
        f"execution {public_id(new.execution_id)} of {new.kind} {new.name} cannot be made: there is already {taken}",
        todo="Submit it under an id of its own",
    )


def _attach(connection: Connection, new: NewExecution) -> Execution:
    """Give a submitted execution the DAG run that was made for it."""
    statement = (
        update(test_executions)
        .where(test_executions.c.execution_id == new.execution_id)
        .values(dag_id=new.dag_id, run_id=new.run_id)
        .returning(*_COLUMNS)
    )
    return _execution(connection.execute(statement).mappings().one())


def get(connection: Connection, key: uuid.UUID | str) -> Execution:
    """An execution by its uuid, or the text of that, or its public id.

    :raises UnknownExecutionError: when there is none.
    """
    return _execution(_select(connection, key, lock=False))


def of_dag_run(connection: Connection, dag_id: str, run_id: str) -> Execution | None:
    """The execution of a DAG run, or None."""
    where = (test_executions.c.dag_id == dag_id) & (test_executions.c.run_id == run_id)
    row = connection.execute(select(*_COLUMNS).where(where)).mappings().one_or_none()
    return _execution(row) if row is not None else None


def find(
    connection: Connection,
    *,
    kind: str = "",
    name: str = "",
    status: Status | None = None,
    submitted_by: str = "",
    dag_id: str = "",
    since: dt.datetime | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[Execution]:
    """Executions, the latest submission first; every filter that is given must fit."""
    equal = {"kind": kind, "name": name, "status": status, "submitted_by": submitted_by, "dag_id": dag_id}
    statement = select(*_COLUMNS).order_by(test_executions.c.submitted_at.desc(), test_executions.c.execution_id)
    for column, value in equal.items():
        if value:
            statement = statement.where(test_executions.c[column] == str(value))
    if since is not None:
        statement = statement.where(test_executions.c.submitted_at >= since)
    return [_execution(row) for row in connection.execute(statement.limit(limit).offset(offset)).mappings()]


def move(connection: Connection, key: uuid.UUID | str, to_state: State, cause: str = "", reason: str = "") -> Execution:
    """Change an execution's state, under its row's lock; nothing happens when it is there already.

    An execution whose verdict stands and that is being cleaned up counts as being in its verdict's state, so
    that a task which is run again does no harm.

    :param cause: a CamelCase word, kept with the change and, for a verdict, on the execution.
    :param reason: one sentence, kept on the execution with a verdict.
    :raises UnknownExecutionError: when there is no such execution.
    :raises gauntlet.runs.states.ImpossibleTransitionError: when the table of states does not allow it.
    """
    row = _select(connection, key, lock=True)
    if _is_there(row, to_state):
        return _execution(row)
    check_transition(State(row["state"]), to_state)
    return _execution(_apply(connection, row, to_state, cause, {"failure_reason": reason} if reason else {}))


def conclude(
    connection: Connection,
    key: uuid.UUID | str,
    verdict: State,
    *,
    cause: str = "",
    reason: str = "",
    exit_code: int | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> Execution:
    """Bring an execution to its verdict, through every state on the way, and keep what goes with it.

    From ``running`` to ``completed`` for example it passes ``completing``; after a failure that is tried again
    it passes ``retrying`` and so on. Run again with the same verdict it only refreshes what goes with it.

    :raises gauntlet.runs.states.ImpossibleTransitionError: when no way leads there, as from ``completed``.
    """
    if verdict not in VERDICTS:
        raise ValueError(f"{verdict} is not a verdict")
    row = _select(connection, key, lock=True)
    values: dict[str, Any] = {"failure_cause": cause, "failure_reason": reason, "exit_code": exit_code}
    if metrics is not None:
        values["metrics"] = dict(metrics)
    if _is_there(row, verdict):
        return _execution(_write(connection, row["execution_id"], values))
    for step in _way(State(row["state"]), verdict):
        last = step is verdict
        row = _apply(connection, row, step, cause if last else "", values if last else {})
    return _execution(row)


def mark_released(connection: Connection, key: uuid.UUID | str) -> Execution:
    """Write down, once, when the last resources of an execution were given back."""
    row = _select(connection, key, lock=True)
    if row["released_at"] is not None:
        return _execution(row)
    return _execution(_write(connection, row["execution_id"], {"released_at": func.now()}))


def transitions(connection: Connection, execution_id: uuid.UUID) -> list[Transition]:
    """Every change of state of an execution, the first one first."""
    table = execution_transitions.c
    statement = (
        select(table.from_state, table.to_state, table.cause, table.occurred_at)
        .where(table.execution_id == execution_id)
        .order_by(table.transition_id)
    )
    return [
        Transition(State(row.from_state) if row.from_state else None, State(row.to_state), row.cause, row.occurred_at)
        for row in connection.execute(statement)
    ]


def _is_there(row: RowMapping, target: State) -> bool:
    return bool(row["state"] == target or (row["verdict"] == target and State(row["state"]) in _OVER))


def _way(current: State, target: State) -> list[State]:
    """The shortest way through the table of states; the target alone, for its error, when there is none."""
    queue: deque[list[State]] = deque([[current]])
    seen = {current}
    while queue:
        path = queue.popleft()
        for following in sorted(TRANSITIONS[path[-1]] - seen - _OVER):
            if following is target:
                return [*path[1:], target]
            seen.add(following)
            # Another verdict on the way would be a lie; only the failure that is tried again leads on.
            if following not in VERDICTS:
                queue.append([*path, following])
    check_transition(current, target)
    raise AssertionError("a possible transition is a way")


def _apply(
    connection: Connection, row: RowMapping, to_state: State, cause: str, values: Mapping[str, Any]
) -> RowMapping:
    changes: dict[str, Any] = {"state": to_state.value, **values}
    if to_state in _BEGUN:
        changes["started_at"] = func.coalesce(test_executions.c.started_at, func.now())
    if to_state in VERDICTS:
        changes |= {"verdict": to_state.value, "completed_at": func.now()}
        changes.setdefault("failure_cause", "" if to_state is State.COMPLETED else cause)
    if to_state is State.RETRYING:
        changes |= {
            "verdict": None,
            "completed_at": None,
            "released_at": None,
            "exit_code": None,
            "failure_cause": "",
            "failure_reason": "",
            "retry_count": test_executions.c.retry_count + 1,
        }
    _record(connection, row["execution_id"], State(row["state"]), to_state, cause)
    return _write(connection, row["execution_id"], changes)


def _write(connection: Connection, execution_id: uuid.UUID, values: Mapping[str, Any]) -> RowMapping:
    statement = (
        update(test_executions)
        .where(test_executions.c.execution_id == execution_id)
        .values(dict(values))
        .returning(*_COLUMNS)
    )
    return connection.execute(statement).mappings().one()


def _record(
    connection: Connection, execution_id: uuid.UUID, from_state: State | None, to_state: State, cause: str
) -> None:
    connection.execute(
        insert(execution_transitions).values(
            execution_id=execution_id, from_state=from_state, to_state=to_state.value, cause=cause
        )
    )


def _select(connection: Connection, key: uuid.UUID | str, *, lock: bool) -> RowMapping:
    statement = select(*_COLUMNS)
    if isinstance(key, str) and is_public_id(key):
        statement = statement.where(test_executions.c.public_id == key)
    else:
        statement = statement.where(test_executions.c.execution_id == _uuid(key))
    row = connection.execute(statement.with_for_update() if lock else statement).mappings().one_or_none()
    if row is None:
        raise UnknownExecutionError(f"there is no execution {key}", todo="`gauntlet status` lists the latest ones")
    return row


def _uuid(key: uuid.UUID | str) -> uuid.UUID:
    try:
        return key if isinstance(key, uuid.UUID) else uuid.UUID(key)
    except ValueError:
        raise UnknownExecutionError(
            f"{key!r} is no id of an execution", todo="An id looks like exec-0123456789ab, or is a uuid"
        ) from None


def _execution(row: RowMapping) -> Execution:
    values = dict(row)
    values["state"] = State(values["state"])
    values["verdict"] = State(values["verdict"]) if values["verdict"] else None
    values["status"] = Status(values["status"])
    return Execution(**values)
