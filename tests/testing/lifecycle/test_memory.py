"""The kernel that kills one process of a container is told from a tool that died by itself."""

from __future__ import annotations

from typing import Any

import pytest

from gauntlet.agent import contract
from gauntlet.agent.contract import Counts, Manifest
from gauntlet.kube.attempts import Ended
from gauntlet.kube.causes import Cause, Death
from gauntlet.testing.lifecycle.memory import overruled, reconsider

RUNNING: dict[str, Any] = {"status": {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}}
GOOD = Ended(None)


def manifest(cause: str, state: str = contract.COMPLETED) -> Manifest:
    return Manifest("shard", "exec-1", 0, 1, state, -9, 0.0, 1.0, Counts(), cause=cause)


def over(reason: str, exit_code: int = 0) -> dict[str, Any]:
    """A pod as Kubernetes 1.34 with containerd on cgroup v1 leaves it: the agent ended well after the kill."""
    terminated = {"reason": reason, "exitCode": exit_code}
    phase = "Failed" if exit_code else "Succeeded"
    return {"status": {"phase": phase, "containerStatuses": [{"name": "tests", "state": {"terminated": terminated}}]}}


@pytest.mark.parametrize("cause", ["ToolDied", "ToolFailed", "CollectionFailed"])
def test_tests_that_the_kernel_killed_for_memory_are_an_oom_kill(cause: str) -> None:
    ended = reconsider(GOOD, manifest(cause), over("OOMKilled"))
    assert ended is not None
    assert ended.death is not None
    assert ended.death.cause is Cause.OOM_KILLED


def test_a_tool_that_died_by_itself_keeps_its_manifest() -> None:
    assert reconsider(GOOD, manifest("ToolDied"), over("Completed")) is GOOD


def test_why_a_tool_died_is_not_known_before_its_container_has_ended() -> None:
    assert reconsider(GOOD, manifest("ToolDied"), RUNNING) is None


def test_a_pod_that_is_gone_has_no_more_to_say() -> None:
    assert reconsider(GOOD, manifest("ToolDied"), None) is GOOD


@pytest.mark.parametrize("pod", [RUNNING, over("OOMKilled"), over("Completed")])
def test_a_tool_that_came_to_its_end_is_believed_at_once(pod: dict[str, Any]) -> None:
    assert reconsider(GOOD, manifest(""), pod) is GOOD
    assert reconsider(GOOD, manifest("TimedOut", contract.TIMED_OUT), pod) is GOOD


@pytest.mark.parametrize("ended", [None, Ended(Death(Cause.EVICTED, "evicted"))])
def test_what_is_not_over_or_has_a_cause_stays_so(ended: Ended | None) -> None:
    assert reconsider(ended, None, over("OOMKilled", 137)) is ended


def test_only_a_death_of_memory_overrules_what_a_dead_tool_left() -> None:
    assert overruled(manifest("ToolDied"), Cause.OOM_KILLED)
    assert not overruled(manifest("ToolDied"), Cause.POD_DELETED)
    assert not overruled(manifest("ToolDied"), "")
    assert not overruled(manifest(""), Cause.OOM_KILLED)
    assert not overruled(None, Cause.OOM_KILLED)
