"""The last step: what the attempts left becomes a verdict, rows and reports. Running it twice changes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from gauntlet.agent import contract
from gauntlet.kube.causes import Cause
from gauntlet.runs.states import ShardStatus, State
from gauntlet.storage import attempts as rows
from gauntlet.storage import executions, layout, results
from gauntlet.storage.attempts import AttemptRow
from gauntlet.storage.executions import Execution
from gauntlet.testing.lifecycle import evidence, interruptions, memory, plans
from gauntlet.testing.lifecycle.attempts import INVENTORY, suite_of
from gauntlet.testing.lifecycle.installation import store, transaction
from gauntlet.testing.results.merge import Merged, merge
from gauntlet.testing.results.model import Counts, RunResult, Verdict
from gauntlet.testing.results.reports.html_report import render_html
from gauntlet.testing.results.reports.json_report import render_json
from gauntlet.testing.results.reports.junit_report import render_junit
from gauntlet.testing.results.verdict import Obstacle, judge

_EMPTY = Merged((), (), ())


def settle(public_id: str, tasks: Mapping[str, str | None]) -> Verdict:
    """Reach the verdict of an execution.

    :param tasks: states of the run's tasks by name, mapped ones as ``run_shard_<i>``; they tell a cancellation from
        a loss, and nothing else: the verdict comes from results.
    """
    with transaction() as connection:
        execution = executions.get(connection, public_id)
        if execution.verdict is not None and execution.state is not execution.verdict:
            execution = executions.move(connection, execution.execution_id, State.RETRYING, "JudgedAgain")
        known = {(row.shard, row.attempt): row for row in rows.of_execution(connection, execution.execution_id)}
    result = _result(execution, known, tasks)
    files = store()
    for renderer, name in ((render_html, "html"), (render_json, "json"), (render_junit, "junit")):
        files.write(layout.report(public_id, layout.REPORTS[name]), renderer(result).encode("utf-8", "replace"))
    with transaction() as connection:
        results.store_run(connection, result)
    return result.verdict


def announcement(public_id: str) -> str:
    """One line about a verdict."""
    with transaction() as connection:
        execution = executions.get(connection, public_id)
    verdict = execution.verdict or execution.state
    return f"{execution.name} ({execution.public_id}): {verdict}. {execution.failure_reason or 'all is well'}"


def release(public_id: str) -> None:
    """Close an execution's books: what it held is free, what it left is stored."""
    with transaction() as connection:
        execution = executions.get(connection, public_id)
        if execution.verdict is None:
            return
        if execution.state is execution.verdict and execution.state is not State.REJECTED:
            executions.move(connection, execution.execution_id, State.CLEANUP)
            executions.move(connection, execution.execution_id, State.ARCHIVED)
        executions.mark_released(connection, execution.execution_id)


def _result(
    execution: Execution, known: Mapping[tuple[int, int], AttemptRow], tasks: Mapping[str, str | None]
) -> RunResult:
    plan = plans.read_if_exists(execution.public_id)
    found = evidence.attempts(execution.public_id, known)
    suite = suite_of(execution)
    merged, obstacle, facts = _EMPTY, None, {}
    if plan is None:
        obstacle = _obstacle(execution, known, tasks)
    else:
        interruption = interruptions.of_shards(tasks, {attempt.shard for attempt in found if attempt.death})
        merged = merge(suite.name, plan.shards, found, inventory=plan.inventory(), interruption=interruption)
        facts = plan.facts
        if any(shard.status is ShardStatus.CANCELLED for shard in merged.shards):
            obstacle = Obstacle(State.CANCELLED, "Cancelled", "the run was cancelled")
    counts = Counts.of(merged.cases)
    content = suite.content.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return RunResult(
        execution_id=execution.execution_id,
        kind=execution.kind,
        name=execution.name,
        verdict=judge(merged.shards, counts, obstacle),
        counts=counts,
        shards=merged.shards,
        cases=merged.cases,
        submitted_at=execution.submitted_at.timestamp(),
        started_at=(execution.started_at or execution.submitted_at).timestamp(),
        finished_at=dt.datetime.now(dt.UTC).timestamp(),
        warnings=merged.warnings,
        artifacts=tuple(evidence.artifacts(execution.public_id, found)),
        facts={
            "framework": suite.type,
            **{f"content {name}": str(value) for name, value in content.items() if name not in ("type", "script")},
            **facts,
        },
        links={"dagRun": f"/dags/{execution.dag_id}/runs/{execution.run_id}"},
        reports={name: layout.report(execution.public_id, file) for name, file in layout.REPORTS.items()},
    )


def _obstacle(
    execution: Execution, known: Mapping[tuple[int, int], AttemptRow], tasks: Mapping[str, str | None]
) -> Obstacle:
    """Why a run never came to a plan."""
    manifest = evidence.inventory_manifest(execution.public_id)
    deaths = [row for (shard, _), row in sorted(known.items()) if shard == INVENTORY and row.death]
    if deaths and memory.overruled(manifest, deaths[-1].cause):
        manifest = None
    if manifest is not None and manifest.state == contract.COMPLETED:
        if tasks.get("plan") == "failed":
            return Obstacle(State.FAILED, "NoTests", "the suite has no tests")
        return Obstacle(State.CANCELLED, "Cancelled", "the run was cancelled before its shards were planned")
    if manifest is not None and manifest.state != contract.CANCELLED:
        return Obstacle(State.FAILED, manifest.cause or "CouldNotRun", manifest.message or "the inventory failed")
    if deaths:
        last = deaths[-1]
        # A definition that names a secret which is not there is refused, like any other wrong definition.
        state = State.REJECTED if last.cause == Cause.SECRET_MISSING else State.FAILED
        return Obstacle(state, last.cause, f"the inventory died: {last.message}")
    return interruptions.of_inventory(tasks)
