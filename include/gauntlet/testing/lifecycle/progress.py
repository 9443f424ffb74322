"""How an execution stands: its row, its shards, and while it runs the heartbeats of their attempts.

This is what the doors show; the document is the issue's and the API's, camelCase.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from gauntlet.agent import contract
from gauntlet.agent.contract import Counts, Heartbeat
from gauntlet.runs.states import ShardStatus
from gauntlet.storage import executions, layout, shards
from gauntlet.storage.executions import Execution
from gauntlet.storage.shards import ShardRow
from gauntlet.testing.lifecycle.installation import store, transaction

_LAST_WORDS = frozenset({contract.COMPLETED, contract.TIMED_OUT, contract.COULD_NOT_RUN, contract.CANCELLED})


@dataclass(frozen=True)
class ShardProgress:
    """A shard, and what its latest attempt said last."""

    row: ShardRow
    heartbeat: Heartbeat | None

    @property
    def counts(self) -> Counts:
        """Cases so far: the attempt's own count while it runs, the merged one afterwards."""
        if self.row.counts:
            known = self.row.counts
            return Counts(known["tests"], known["passed"], known["failed"], known["errors"], known["skipped"])
        return self.heartbeat.counts if self.heartbeat else Counts()

    @property
    def over(self) -> bool:
        """Whether its latest attempt has said its last word, or the run was judged."""
        return self.row.finished_at is not None or (self.heartbeat is not None and self.heartbeat.state in _LAST_WORDS)


@dataclass(frozen=True)
class Progress:
    """An execution as it stands now."""

    execution: Execution
    shards: list[ShardProgress]

    @property
    def over(self) -> bool:
        """Whether the verdict stands."""
        return self.execution.verdict is not None

    @property
    def counts(self) -> Counts:
        """Cases so far, over all shards."""
        known = [shard.counts for shard in self.shards]
        return Counts(*(sum(getattr(one, name) for one in known) for name in Counts.__dataclass_fields__))

    @property
    def elapsed_seconds(self) -> float:
        """Since its submission, until its verdict."""
        end = self.execution.completed_at or dt.datetime.now(dt.UTC)
        return max(0.0, (end - self.execution.submitted_at).total_seconds())


def look(public_id: str) -> Progress:
    """How an execution stands.

    :raises gauntlet.storage.executions.UnknownExecutionError: when there is none of that id.
    """
    with transaction() as connection:
        execution = executions.get(connection, public_id)
        rows = shards.of_execution(connection, execution.execution_id)
    return Progress(execution, [ShardProgress(row, _heartbeat(execution, row)) for row in rows])


def document(progress: Progress, *, links: dict[str, str]) -> dict[str, Any]:
    """The execution as one document, as ``gauntlet run --json`` prints it.

    :param links: addresses that only the caller knows, such as Airflow's UI.
    """
    execution = progress.execution
    metrics = execution.metrics
    counts = progress.counts
    return {
        "executionId": execution.public_id,
        "kind": execution.kind,
        "name": execution.name,
        "status": execution.status.value,
        "state": execution.state.value,
        "cause": execution.failure_cause,
        "reason": execution.failure_reason,
        "tests": metrics.get("tests", counts.total),
        "passed": metrics.get("passed", counts.passed),
        "failed": metrics.get("failed", counts.failed),
        "errors": metrics.get("errors", counts.errors),
        "skipped": metrics.get("skipped", counts.skipped),
        "flaky": metrics.get("flaky", 0),
        "durationMs": round(progress.elapsed_seconds * 1000),
        "shards": [_shard(shard) for shard in progress.shards],
        "reports": reports(execution),
        "links": links,
    }


def reports(execution: Execution) -> dict[str, str]:
    """Where the reports are: paths with a ``file://`` store, addresses otherwise; empty before the verdict."""
    files = store()
    paths = {name: layout.report(execution.public_id, file) for name, file in layout.REPORTS.items()}
    return {name: files.location(path) for name, path in paths.items() if files.exists(path)}


def _shard(shard: ShardProgress) -> dict[str, Any]:
    row = shard.row
    began = row.started_at
    lasted = ((row.finished_at or dt.datetime.now(dt.UTC)) - began).total_seconds() if began else 0.0
    return {
        "index": row.index,
        "status": row.status.value,
        "cause": row.cause,
        "message": row.message,
        "pod": row.pod,
        "node": row.node,
        "attempts": row.attempts,
        "tests": shard.counts.total,
        "durationMs": round(lasted * 1000),
    }


def _heartbeat(execution: Execution, row: ShardRow) -> Heartbeat | None:
    if row.status is not ShardStatus.RUNNING or not row.attempt:
        return None
    prefix = layout.shard_attempt(execution.public_id, row.index, row.attempt)
    raw = store().read_if_exists(f"{prefix}/{layout.HEARTBEAT}")
    try:
        return contract.loads(Heartbeat, raw.decode()) if raw else None
    except ValueError:
        return None
