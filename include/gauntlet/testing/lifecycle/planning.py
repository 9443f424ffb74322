"""The inventory becomes a plan, balanced by what the cases took in earlier runs."""

from __future__ import annotations

import json

from gauntlet.agent import contract
from gauntlet.errors import GauntletError
from gauntlet.runs.states import State
from gauntlet.storage import executions, layout, results
from gauntlet.storage import shards as rows
from gauntlet.testing.lifecycle import attempts, evidence, plans
from gauntlet.testing.lifecycle.installation import store, transaction
from gauntlet.testing.planning.shards import CaseToRun, plan_shards


class NothingToRunError(GauntletError):
    """There is no case to run, or the inventory could not be taken."""


def plan(public_id: str) -> int:
    """Plan an execution's shards and keep the plan.

    :returns: how many shards there are.
    :raises NothingToRunError: when there is nothing to plan.
    """
    manifest = evidence.inventory_manifest(public_id)
    if manifest is None:
        raise NothingToRunError("the inventory left no manifest")
    if manifest.state != contract.COMPLETED:
        raise NothingToRunError(f"{manifest.cause}: {manifest.message}")
    cases = _inventory(public_id, manifest.attempt)
    if not cases:
        raise NothingToRunError("the suite has no tests")
    with transaction() as connection:
        execution = executions.get(connection, public_id)
        durations = results.durations(connection, execution.name)
        suite = attempts.suite_of(execution)
        shards = plan_shards(cases, durations, suite.config.parallelism)
        rows.plan(connection, execution.execution_id, {shard.index: len(shard.case_ids) for shard in shards})
        if execution.state is State.INITIALIZING:
            executions.move(connection, execution.execution_id, State.RUNNING)
    plans.write(
        public_id,
        plans.Plan(
            shards=shards,
            files={case.id: case.file for case in cases},
            packed=evidence.packed_content(public_id, manifest.attempt),
            facts={"environmentLock": manifest.environment_lock} if manifest.environment_lock else {},
        ),
    )
    return len(shards)


def _inventory(public_id: str, attempt: int) -> list[CaseToRun]:
    """The inventory's cases. Test code ran beside the agent that wrote it, so a line may be anything."""
    raw = store().read(f"{layout.inventory_attempt(public_id, attempt)}/{layout.INVENTORY}")
    cases = []
    # Not splitlines(): that would also part a line at characters which JSON leaves as they are.
    for line in raw.decode(errors="replace").split("\n"):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            cases.append(CaseToRun(id=str(entry["id"]), file=str(entry.get("file", ""))))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise NothingToRunError("the inventory is damaged", todo="Clear the task `inventory`") from None
    return cases
