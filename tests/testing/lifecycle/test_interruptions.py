"""A cancellation is told from a loss by who wrote down what."""

from __future__ import annotations

import pytest

from gauntlet.runs.states import ShardStatus, State
from gauntlet.testing.lifecycle import interruptions


def test_a_shard_whose_task_failed_without_a_death_was_cancelled() -> None:
    found = interruptions.of_shards({"run_shard_0": "success", "run_shard_1": "failed"}, died=set())
    assert found is not None
    assert found.status is ShardStatus.CANCELLED


def test_a_shard_whose_pod_died_was_not_cancelled() -> None:
    assert interruptions.of_shards({"run_shard_0": "success", "run_shard_1": "failed"}, died={1}) is None


def test_one_that_died_does_not_hide_that_another_was_cancelled() -> None:
    assert interruptions.of_shards({"run_shard_0": "failed", "run_shard_1": "failed"}, died={1}) is not None


def test_shards_that_never_began_because_the_run_was_stopped_were_cancelled() -> None:
    assert interruptions.of_shards({"run_shard": "skipped"}, died=set()) is not None


@pytest.mark.parametrize("state", ["failed", "skipped"])
def test_an_inventory_that_was_stopped_is_a_cancellation(state: str) -> None:
    assert interruptions.of_inventory({"inventory": state}).state is State.CANCELLED


def test_an_inventory_that_vanished_is_a_failure() -> None:
    assert interruptions.of_inventory({"inventory": "success"}).state is State.FAILED
