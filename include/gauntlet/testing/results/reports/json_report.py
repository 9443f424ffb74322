"""The report that programs read: the document of ``gauntlet run --json``, with every case in full.

Field names are the API's (camelCase). Fields may be added; none is renamed or taken away.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from gauntlet.testing.results.model import AttemptResult, CaseResult, Counts, RunResult, ShardResult


def render_json(result: RunResult) -> str:
    """The report as one line of JSON; a lone surrogate in a name stands as its escape, so any encoding takes it."""
    try:
        text = json.dumps(document(result), ensure_ascii=False, separators=(",", ":"))
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(document(result), separators=(",", ":"))
    return text + "\n"


def document(result: RunResult) -> dict[str, Any]:
    """The report as plain values."""
    return {
        **summary(result),
        "cases": [case_document(case) for case in result.cases],
        "artifacts": [
            {
                "type": artifact.type,
                "name": artifact.name,
                "path": artifact.path,
                "bytes": artifact.bytes,
                "contentType": artifact.content_type,
                "sha256": artifact.sha256,
                "shard": artifact.shard,
                "attempt": artifact.attempt,
            }
            for artifact in result.artifacts
        ],
    }


def summary(result: RunResult) -> dict[str, Any]:
    """The report without its cases and artifacts."""
    return {
        "executionId": result.public_id,
        "kind": result.kind,
        "name": result.name,
        "status": result.status.value,
        "state": result.verdict.state.value,
        "cause": result.verdict.cause,
        "reason": result.verdict.reason,
        "exitCode": result.verdict.exit_code,
        **counts_document(result.counts),
        "durationMs": round(result.duration_ms),
        "submittedAt": moment(result.submitted_at),
        "startedAt": moment(result.started_at),
        "finishedAt": moment(result.finished_at),
        "shards": [shard_document(shard) for shard in result.shards],
        "warnings": list(result.warnings),
        "facts": dict(result.facts),
        "reports": dict(result.reports),
        "links": dict(result.links),
    }


def counts_document(counts: Counts) -> dict[str, int]:
    """Counts under the names that the doors use."""
    return {
        "tests": counts.tests,
        "passed": counts.passed,
        "failed": counts.failed,
        "errors": counts.errors,
        "skipped": counts.skipped,
        "flaky": counts.flaky,
        "notRun": counts.not_run,
    }


def shard_document(shard: ShardResult) -> dict[str, Any]:
    """One shard with its attempts."""
    return {
        "index": shard.index,
        "status": shard.status.value,
        "cause": shard.cause,
        "message": shard.message,
        "pod": shard.pod,
        "node": shard.node,
        "attempts": len(shard.attempts),
        "planned": shard.planned,
        **counts_document(shard.counts),
        "durationMs": round(shard.duration_ms),
        "startedAt": moment(shard.started_at),
        "finishedAt": moment(shard.finished_at),
        "cpuSeconds": round(shard.cpu_seconds, 3),
        "maxMemoryBytes": shard.max_memory_bytes,
        "tries": [_attempt_document(attempt) for attempt in shard.attempts],
    }


def _attempt_document(attempt: AttemptResult) -> dict[str, Any]:
    return {
        "attempt": attempt.number,
        "state": attempt.state,
        "cause": attempt.cause,
        "message": attempt.message,
        "details": attempt.details,
        "pod": attempt.pod,
        "node": attempt.node,
        "startedAt": moment(attempt.started_at),
        "finishedAt": moment(attempt.finished_at),
        "phaseSeconds": dict(attempt.phases),
        "cpuSeconds": round(attempt.cpu_seconds, 3),
        "maxMemoryBytes": attempt.max_memory_bytes,
    }


def case_document(case: CaseResult) -> dict[str, Any]:
    """One case in full."""
    return {
        "id": case.id,
        "occurrence": case.occurrence,
        "suite": case.suite,
        "name": case.name,
        "classname": case.classname,
        "file": case.file,
        "line": case.line,
        "status": case.status.value,
        "flaky": case.flaky,
        "durationMs": round(case.duration_ms, 3),
        "message": case.message,
        "details": case.details,
        "stdout": case.stdout,
        "stderr": case.stderr,
        "attempts": case.attempts,
        "shard": case.shard,
        "startedAt": moment(case.started_at),
        "properties": dict(case.properties),
        "attachments": [
            {"name": attachment.name, "path": attachment.path, "contentType": attachment.content_type}
            for attachment in case.attachments
        ],
        "reruns": [
            {
                "attempt": rerun.attempt,
                "status": rerun.status.value,
                "message": rerun.message,
                "details": rerun.details,
            }
            for rerun in case.reruns
        ],
    }


def moment(seconds: float) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC; None when unknown."""
    if not seconds:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
