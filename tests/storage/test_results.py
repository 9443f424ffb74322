"""Storing a run: all of it, once, whatever is in it; and what it says about durations later."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, RowMapping, select

from gauntlet.runs.ids import execution_id_of_dag_run
from gauntlet.runs.states import CaseStatus, ShardStatus, State, Status
from gauntlet.storage import artifacts, attempts, executions, results
from gauntlet.storage.executions import NewExecution, UnknownExecutionError
from gauntlet.storage.tables import test_artifacts, test_results, test_shards
from gauntlet.testing.results.model import (
    Artifact,
    AttemptResult,
    CaseResult,
    Counts,
    Rerun,
    RunResult,
    ShardResult,
    Verdict,
)

SUITE = "networkx"
BEGIN = 1_700_000_000.0
COMPLETED = Verdict(State.COMPLETED, "", "all passed", 0)
FAILED = Verdict(State.FAILED, "TestsFailed", "1 failed of 2 tests", 1)


def case(case_id: str, status: str = "passed", **values: Any) -> CaseResult:
    values = {"duration_ms": 12.5, "shard": 0, "started_at": BEGIN + 1, **values}
    return CaseResult(case_id, case_id, CaseStatus(status), suite=SUITE, classname="pkg.T", file="pkg/t.py", **values)


Submit = Callable[..., RunResult]


@pytest.fixture
def submit(connection: Connection) -> Submit:
    """Makes a running execution and the result that it is to get."""

    def made(*cases: CaseResult, verdict: Verdict = COMPLETED, run: str = "r1", **values: Any) -> RunResult:
        execution_id = execution_id_of_dag_run("suite__networkx", run)
        executions.create(connection, NewExecution(execution_id, "TestSuite", SUITE, dag_id="d", run_id=run))
        for state in (State.QUEUED, State.SCHEDULED, State.INITIALIZING, State.RUNNING):
            executions.move(connection, execution_id, state)
        attempt = AttemptResult(
            1,
            "completed",
            pod="pod-0",
            node="node-1",
            started_at=BEGIN,
            finished_at=BEGIN + 9,
            phases={"run": 8.0},
            cpu_seconds=3.5,
            max_memory_bytes=4096,
        )
        shard = ShardResult(0, ShardStatus.PASSED, counts=Counts.of(cases), planned=len(cases), attempts=(attempt,))
        return RunResult(
            execution_id,
            "TestSuite",
            SUITE,
            verdict,
            Counts.of(cases),
            shards=(shard,),
            cases=cases,
            started_at=BEGIN,
            finished_at=BEGIN + 10,
            **values,
        )

    return made


def rows(connection: Connection) -> list[Mapping[str, Any]]:
    found: list[RowMapping] = list(
        connection.execute(select(test_results).order_by(test_results.c.result_id)).mappings()
    )
    return [dict(row) for row in found]


def test_a_run_is_stored_with_its_cases_shards_attempts_artifacts_and_verdict(
    connection: Connection, submit: Submit
) -> None:
    report = Artifact("report", "report.html", "runs/exec-1/reports/report.html", 1234, "text/html", "ab" * 32)
    red = case(
        "b",
        "failed",
        message="no",
        details="trace",
        stdout="said",
        line=7,
        properties={"xpass": "1"},
        reruns=(Rerun(1, CaseStatus.ERROR, "before"),),
        attempts=2,
    )
    result = submit(case("a", stdout="chatter"), red, verdict=FAILED, artifacts=(report,), warnings=("odd",))
    assert results.store_run(connection, result)
    passed, failed = rows(connection)
    assert (passed["case_id"], passed["status"], passed["stdout"], passed["error_message"]) == (
        "a",
        "passed",
        None,
        None,
    )
    assert (failed["error_message"], failed["stack_trace"], failed["stdout"], failed["line_number"]) == (
        "no",
        "trace",
        "said",
        7,
    )
    assert failed["properties"] == {"xpass": "1"}
    assert failed["reruns"] == [{"attempt": 1, "status": "error", "message": "before", "details": ""}]
    assert passed["executed_at"] == dt.datetime.fromtimestamp(BEGIN + 1, dt.UTC)
    execution = executions.get(connection, result.execution_id)
    assert (execution.status, execution.exit_code, execution.failure_cause) == (Status.FAILED, 1, "TestsFailed")
    assert execution.metrics["failed"] == 1
    assert execution.metrics["warnings"] == ["odd"]
    assert artifacts.of_execution(connection, result.execution_id) == [report]
    [attempt] = attempts.of_execution(connection, result.execution_id)
    assert (attempt.shard, attempt.pod, attempt.node, attempt.state) == (0, "pod-0", "node-1", "completed")


def test_storing_a_run_twice_changes_nothing(connection: Connection, submit: Submit) -> None:
    report = Artifact("report", "r", "runs/x/r", 1)
    result = submit(case("a"), case("b", properties={"k": "v"}), artifacts=(report,))
    assert results.store_run(connection, result)
    before = (rows(connection), executions.transitions(connection, result.execution_id))
    assert not results.store_run(connection, result)
    assert (rows(connection), executions.transitions(connection, result.execution_id)) == before
    assert len(connection.execute(select(test_artifacts)).all()) == 1


def test_another_result_of_the_same_run_replaces_the_first(connection: Connection, submit: Submit) -> None:
    first = submit(case("a", "failed"), case("b"), verdict=FAILED)
    results.store_run(connection, first)
    second = replace(
        first,
        cases=(case("a", flaky=True, attempts=2), case("b")),
        verdict=COMPLETED,
        counts=Counts(tests=2, passed=2, flaky=1),
    )
    assert results.store_run(connection, second)
    assert [(row["case_id"], row["status"], row["flaky"]) for row in rows(connection)] == [
        ("a", "passed", True),
        ("b", "passed", False),
    ]
    execution = executions.get(connection, first.execution_id)
    assert (execution.status, execution.retry_count, execution.metrics["flaky"]) == (Status.COMPLETED, 1, 1)


def test_shards_of_an_earlier_wider_plan_do_not_stay(connection: Connection, submit: Submit) -> None:
    result = submit(case("a"))
    for shard in (-1, 0, 5):
        attempts.record_started(connection, result.execution_id, shard, 1, pod=f"p{shard}")
    results.store_run(connection, result)
    assert connection.execute(select(test_shards.c.shard).order_by(test_shards.c.shard)).scalars().all() == [-1, 0]


@pytest.mark.parametrize(
    "nasty", ["nul \0 inside", "lone \ud800 surrogate", "tab\tnewline\nbackslash \\ \\N \\.", "ünï 🎉"]
)
def test_whatever_a_test_prints_can_be_stored(connection: Connection, submit: Submit, nasty: str) -> None:
    result = submit(case(nasty, "failed", message=nasty, details=nasty, stdout=nasty, properties={nasty: nasty}))
    results.store_run(connection, result)
    [row] = rows(connection)
    readable = nasty.replace("\0", "\ufffd").replace("\ud800", "?")
    assert (row["case_id"], row["error_message"], row["stdout"]) == (readable, readable, readable)
    assert row["properties"] == {readable: readable}


def test_results_of_an_execution_that_was_never_made_are_refused(connection: Connection, submit: Submit) -> None:
    stranger = replace(submit(case("a")), execution_id=uuid.uuid4())
    with pytest.raises(UnknownExecutionError):
        results.store_run(connection, stranger)
    assert rows(connection) == []


def test_a_case_of_several_occurrences_is_several_rows_of_one_identity(connection: Connection, submit: Submit) -> None:
    results.store_run(connection, submit(case("a"), case("a", "failed", occurrence=2)))
    first, second = rows(connection)
    assert first["case_hash"] == second["case_hash"] == results.case_hash(SUITE, "a")
    assert [first["occurrence"], second["occurrence"]] == [1, 2]


def test_durations_are_the_medians_of_the_latest_runs(connection: Connection, submit: Submit) -> None:
    for number, milliseconds in enumerate((9000.0, 100.0, 300.0, 200.0)):
        result = submit(case("a", duration_ms=milliseconds), case("b", duration_ms=5.0), run=f"r{number}")
        results.store_run(connection, result)
        when = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=number)
        connection.execute(
            executions.test_executions.update()
            .where(executions.test_executions.c.execution_id == result.execution_id)
            .values(submitted_at=when)
        )
    assert results.durations(connection, SUITE, runs=3) == {"a": pytest.approx(0.2), "b": pytest.approx(0.005)}
    assert results.durations(connection, "another") == {}


def test_a_case_that_never_ran_says_nothing_about_its_duration(connection: Connection, submit: Submit) -> None:
    results.store_run(connection, submit(case("a"), case("lost", "error", attempts=0, duration_ms=0.0)))
    assert set(results.durations(connection, SUITE)) == {"a"}
