"""Tells a cancellation from a loss, by the states of the run's tasks. Pure.

A task that a person failed, cleared away or skipped has no death of its pod written down beside it: deaths are
written by the task itself before it fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from gauntlet.runs.states import ShardStatus, State
from gauntlet.testing.results.merge import Interruption
from gauntlet.testing.results.verdict import Obstacle

_SHARD = "run_shard"
_STOPPED = frozenset({"failed", "skipped", "removed", "upstream_failed"})


def of_shards(tasks: Mapping[str, str | None], died: Set[int]) -> Interruption | None:
    """Whether somebody stopped the shards.

    :param tasks: states by name, mapped ones as ``run_shard_<i>``.
    :param died: shards whose pod's death was written down.
    """
    stopped = [
        name
        for name, state in tasks.items()
        if name.startswith(_SHARD) and state in _STOPPED and _index(name) not in died
    ]
    if not stopped:
        return None
    return Interruption(ShardStatus.CANCELLED, "Cancelled", "somebody cancelled the run")


def of_inventory(tasks: Mapping[str, str | None]) -> Obstacle:
    """Why there is neither an inventory nor the death of its pod."""
    state = tasks.get("inventory")
    if state in _STOPPED:
        return Obstacle(State.CANCELLED, "Cancelled", "the run was cancelled while its tests were being listed")
    return Obstacle(State.FAILED, "InventoryMissing", f"the inventory left nothing behind (its task is {state})")


def _index(task: str) -> int:
    tail = task.rsplit("_", 1)[-1]
    return int(tail) if tail.isdigit() else -1
