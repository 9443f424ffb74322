"""A dead pod's status names one cause. The statuses are those a kubelet 1.34 writes."""

from __future__ import annotations

from typing import Any

import pytest

from gauntlet.kube.causes import Cause, death, stuck


def pod(phase: str, *, reason: str = "", message: str = "", **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p"},
        "spec": {"nodeName": "n1"},
        "status": {"phase": phase, "reason": reason, "message": message, **status},
    }


def terminated(reason: str, code: int, message: str = "") -> list[dict[str, Any]]:
    return [{"name": "tests", "state": {"terminated": {"reason": reason, "exitCode": code, "message": message}}}]


def waiting(reason: str, message: str = "") -> list[dict[str, Any]]:
    return [{"name": "tests", "state": {"waiting": {"reason": reason, "message": message}}}]


def cause(one: dict[str, Any]) -> Cause | None:
    found = death(one)
    return found.cause if found else None


@pytest.mark.parametrize(
    ("dead", "expected"),
    [
        (pod("Failed", containerStatuses=terminated("OOMKilled", 137)), Cause.OOM_KILLED),
        (pod("Failed", initContainerStatuses=terminated("OOMKilled", 137)), Cause.OOM_KILLED),
        (pod("Failed", reason="Evicted", message="The node was low on resource: memory."), Cause.EVICTED),
        (
            pod(
                "Failed",
                conditions=[{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}],
                containerStatuses=terminated("Error", 143),
            ),
            Cause.EVICTED,
        ),
        (
            pod(
                "Running",
                conditions=[{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}],
            ),
            Cause.NODE_LOST,
        ),
        (pod("Pending", containerStatuses=waiting("ErrImagePull", "no such image")), Cause.IMAGE_UNAVAILABLE),
        (pod("Pending", initContainerStatuses=waiting("ImagePullBackOff")), Cause.IMAGE_UNAVAILABLE),
        (pod("Pending", initContainerStatuses=waiting("ErrImageNeverPull")), Cause.IMAGE_UNAVAILABLE),
        (
            pod("Pending", containerStatuses=waiting("CreateContainerConfigError", 'secret "s" not found')),
            Cause.SECRET_MISSING,
        ),
        (
            pod(
                "Pending", containerStatuses=waiting("CreateContainerConfigError", "couldn't find key k in Secret n/s")
            ),
            Cause.SECRET_MISSING,
        ),
        (
            pod("Pending", containerStatuses=waiting("CreateContainerConfigError", 'configmap "c" not found')),
            Cause.START_FAILED,
        ),
        (pod("Failed", reason="DeadlineExceeded"), Cause.TIMED_OUT),
        (pod("Failed", reason="NodeLost"), Cause.NODE_LOST),
        (pod("Unknown"), Cause.NODE_LOST),
        (pod("Failed", containerStatuses=terminated("StartError", 128)), Cause.START_FAILED),
        (pod("Failed", containerStatuses=terminated("Error", 3)), Cause.CONTAINER_FAILED),
        (pod("Failed"), Cause.CONTAINER_FAILED),
    ],
)
def test_each_death_has_its_cause(dead: dict[str, Any], expected: Cause) -> None:
    assert cause(dead) is expected


def test_a_deleted_pod_says_so() -> None:
    dying = pod("Running", containerStatuses=terminated("Error", 143))
    dying["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert cause(dying) is Cause.POD_DELETED


@pytest.mark.parametrize(
    "alive",
    [
        pod("Pending"),
        pod("Pending", containerStatuses=waiting("ContainerCreating")),
        pod("Pending", initContainerStatuses=terminated("Completed", 0), containerStatuses=waiting("PodInitializing")),
        pod("Running", containerStatuses=[{"name": "tests", "state": {"running": {}}}]),
        pod("Succeeded", containerStatuses=terminated("Completed", 0)),
    ],
)
def test_a_living_or_successful_pod_has_no_cause(alive: dict[str, Any]) -> None:
    assert death(alive) is None


def test_a_pod_that_no_node_takes_is_unschedulable_once_its_time_is_over() -> None:
    waits = pod(
        "Pending",
        conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}],
    )
    assert stuck(waits, pending_seconds=5, timeout_seconds=10) is None
    found = stuck(waits, pending_seconds=11, timeout_seconds=10)
    assert found is not None
    assert found.cause is Cause.UNSCHEDULABLE
    assert "0/1 nodes" in found.message


def test_a_pod_whose_init_container_works_is_not_stuck_however_long_it_takes() -> None:
    preparing = pod("Pending", initContainerStatuses=[{"name": "prepare", "state": {"running": {}}}])
    assert stuck(preparing, pending_seconds=1000, timeout_seconds=10) is None
