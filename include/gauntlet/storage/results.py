"""A finished run's results as rows, all in one transaction, and what past results say about durations.

Functions over a connection; the caller owns the transaction. Storing the same result again changes nothing, and
storing another result of the same execution replaces it: so ``aggregate`` may run as often as Airflow likes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from gauntlet.runs.states import ShardStatus
from gauntlet.storage import artifacts, executions
from gauntlet.storage.executions import UnknownExecutionError
from gauntlet.storage.tables import test_attempts, test_executions, test_results, test_shards
from gauntlet.testing.results.model import AttemptResult, CaseResult, RunResult, ShardResult
from gauntlet.testing.results.reports.json_report import counts_document

#: How many warnings are kept on the execution's row; all of them are in the JSON report.
_MAX_WARNINGS = 100

_COPIED = (
    "execution_id",
    "shard",
    "case_hash",
    "case_id",
    "occurrence",
    "suite",
    "test_name",
    "classname",
    "file_path",
    "line_number",
    "status",
    "flaky",
    "attempts",
    "duration_ms",
    "error_message",
    "stack_trace",
    "stdout",
    "stderr",
    "properties",
    "reruns",
    "executed_at",
)


def case_hash(suite: str, case_id: str) -> uuid.UUID:
    """A case's identity in 16 bytes, the same in every run: what histories are indexed by."""
    digest = hashlib.blake2b(f"{suite}\0{case_id}".encode(errors="replace"), digest_size=16)
    return uuid.UUID(bytes=digest.digest())


def store_run(connection: Connection, result: RunResult, *, expires_at: dt.datetime | None = None) -> bool:
    """Store shards, attempts, cases, artifacts and the verdict of a run.

    :param result: the merged and judged run; its execution must have been made.
    :param expires_at: when its artifacts may be removed.
    :returns: whether the cases differed from what was stored, and so were written.
    :raises gauntlet.storage.executions.UnknownExecutionError: when there is no such execution.
    :raises gauntlet.runs.states.ImpossibleTransitionError: when the execution cannot get this verdict.
    """
    statement = (
        select(test_executions.c.results_digest)
        .where(test_executions.c.execution_id == result.execution_id)
        .with_for_update()
    )
    stored = connection.execute(statement).scalar_one_or_none()
    if stored is None:
        raise UnknownExecutionError(f"there is no execution {result.public_id} to store results of")
    _store_shards(connection, result)
    digest = _digest(result)
    changed = bool(digest != stored)
    if changed:
        _replace_cases(connection, result, digest)
    artifacts.store(connection, result.execution_id, result.artifacts, expires_at=expires_at)
    executions.conclude(
        connection,
        result.execution_id,
        result.verdict.state,
        cause=result.verdict.cause,
        reason=result.verdict.reason,
        exit_code=result.verdict.exit_code,
        metrics=_metrics(result),
    )
    return changed


def durations(connection: Connection, suite: str, *, runs: int = 5) -> dict[str, float]:
    """How long each case of a suite takes: the median over its latest runs.

    Cases that never ran (their shard was lost) say nothing about their duration and are left out.

    :param suite: the suite's name.
    :param runs: how many of its latest runs with results are looked at.
    :returns: seconds by case id.
    """
    latest = (
        select(test_executions.c.execution_id)
        .where(test_executions.c.name == suite, test_executions.c.results_digest != "")
        .order_by(test_executions.c.submitted_at.desc())
        .limit(runs)
    )
    table = test_results.c
    statement = (
        select(table.case_id, func.percentile_cont(0.5).within_group(table.duration_ms))
        .where(table.execution_id.in_(latest), table.suite == suite, table.attempts > 0)
        .group_by(table.case_id)
    )
    return {case_id: milliseconds / 1000 for case_id, milliseconds in connection.execute(statement)}


def _metrics(result: RunResult) -> dict[str, Any]:
    return {
        **counts_document(result.counts),
        "durationMs": round(result.duration_ms, 3),
        "shards": len(result.shards),
        "cpuSeconds": round(sum(shard.cpu_seconds for shard in result.shards), 3),
        "maxMemoryBytes": max((shard.max_memory_bytes for shard in result.shards), default=0),
        "warnings": [_clean(warning) for warning in result.warnings[:_MAX_WARNINGS]],
    }


def _store_shards(connection: Connection, result: RunResult) -> None:
    _close_inventory(connection, result)
    if not result.shards:
        return
    _upsert(connection, test_shards, [_shard_row(result, shard) for shard in result.shards])
    attempts = [
        _attempt_row(result.execution_id, shard.index, attempt) for shard in result.shards for attempt in shard.attempts
    ]
    if attempts:
        _upsert(connection, test_attempts, attempts)
    # A row of an earlier, wider plan would still count as running.
    stale = (test_shards.c.execution_id == result.execution_id) & (test_shards.c.shard >= 0)
    connection.execute(
        delete(test_shards).where(stale, test_shards.c.shard.not_in([shard.index for shard in result.shards]))
    )


def _close_inventory(connection: Connection, result: RunResult) -> None:
    """The inventory's row (shard -1) ends with the run: what it was good for is whether there is a plan."""
    status = ShardStatus.PASSED if result.shards else ShardStatus.LOST
    row = (test_shards.c.execution_id == result.execution_id) & (test_shards.c.shard == -1)
    connection.execute(update(test_shards).where(row).values(status=status.value))


def _upsert(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def _shard_row(result: RunResult, shard: ShardResult) -> dict[str, Any]:
    return {
        "execution_id": result.execution_id,
        "shard": shard.index,
        "status": ShardStatus(shard.status).value,
        "cause": _clean(shard.cause),
        "message": _clean(shard.message),
        "planned": shard.planned,
        "counts": counts_document(shard.counts),
        "started_at": _moment(shard.started_at),
        "finished_at": _moment(shard.finished_at),
    }


def _attempt_row(execution_id: uuid.UUID, shard: int, attempt: AttemptResult) -> dict[str, Any]:
    return {
        "execution_id": execution_id,
        "shard": shard,
        "attempt": attempt.number,
        "pod_name": _clean(attempt.pod),
        "node_name": _clean(attempt.node),
        "state": attempt.state,
        "cause": _clean(attempt.cause),
        "message": _clean(attempt.message),
        "started_at": _moment(attempt.started_at),
        "finished_at": _moment(attempt.finished_at),
        "counts": counts_document(attempt.counts),
        "phases": {_clean(name): seconds for name, seconds in attempt.phases.items()},
        "cpu_seconds": attempt.cpu_seconds,
        "max_memory_bytes": attempt.max_memory_bytes,
    }


def _replace_cases(connection: Connection, result: RunResult, digest: str) -> None:
    connection.execute(delete(test_results).where(test_results.c.execution_id == result.execution_id))
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - a checked-out connection has one
    columns = ", ".join(_COPIED)
    with driver.cursor().copy(f"COPY {test_results.name} ({columns}) FROM STDIN") as copy:
        for row in rows_of(result):
            copy.write_row(row)
    connection.execute(
        update(test_executions)
        .where(test_executions.c.execution_id == result.execution_id)
        .values(results_digest=digest)
    )


def rows_of(result: RunResult) -> Iterator[tuple[Any, ...]]:
    """The rows of ``test_results``, as COPY takes them."""
    execution = str(result.execution_id)
    otherwise = result.finished_at or result.started_at or result.submitted_at or dt.datetime.now(dt.UTC).timestamp()
    for case in result.cases:
        # What a passing case printed is in the JSON report; in rows it would be most of the bytes.
        telling = case.red or case.flaky
        yield (
            execution,
            case.shard,
            str(case_hash(case.suite, case.id)),
            _clean(case.id),
            case.occurrence,
            _clean(case.suite),
            _clean(case.name),
            _clean(case.classname),
            _clean(case.file),
            case.line,
            case.status.value,
            case.flaky,
            case.attempts,
            case.duration_ms,
            _clean(case.message) or None,
            _clean(case.details) or None,
            (_clean(case.stdout) or None) if telling else None,
            (_clean(case.stderr) or None) if telling else None,
            _json(case.properties) if case.properties else None,
            _json([asdict(rerun) for rerun in case.reruns]) if case.reruns else None,
            dt.datetime.fromtimestamp(case.started_at or otherwise, dt.UTC).isoformat(),
        )


def _digest(result: RunResult) -> str:
    """Tells one list of cases from another."""
    digest = hashlib.blake2b(digest_size=16)
    for case in result.cases:
        digest.update(repr(_identity(case)).encode(errors="backslashreplace"))
    return digest.hexdigest()


def _identity(case: CaseResult) -> tuple[Any, ...]:
    return (
        case.id,
        case.occurrence,
        case.suite,
        case.name,
        case.classname,
        case.file,
        case.line,
        case.status.value,
        case.flaky,
        case.attempts,
        case.shard,
        case.duration_ms,
        case.started_at,
        case.message,
        case.details,
        case.stdout,
        case.stderr,
        sorted(case.properties.items()),
        case.reruns,
    )


def _json(value: Mapping[str, str] | Iterable[Mapping[str, Any]]) -> str:
    return _clean(json.dumps(value, ensure_ascii=False)).replace("\\u0000", "\\ufffd")


def _clean(value: str) -> str:
    """Text that PostgreSQL can keep: no NUL and no lone surrogate."""
    if value.isascii():
        return value.replace("\0", "\ufffd") if "\0" in value else value
    return value.encode(errors="replace").decode().replace("\0", "\ufffd")


def _moment(seconds: float) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(seconds, dt.UTC) if seconds else None


def count(connection: Connection, execution_id: uuid.UUID) -> int:
    """How many results an execution has."""
    return int(
        connection.execute(
            text("SELECT count(*) FROM test_results WHERE execution_id = :id"), {"id": execution_id}
        ).scalar_one()
    )
