"""The words `kubectl get` shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gauntlet.local.devcluster.api.columns import age, human_duration, pod_ready, pod_restarts, pod_status


def pod(phase: str = "Running", *states: dict[str, Any], inits: list[dict[str, Any]] | None = None,
        deleted: bool = False, **status: Any) -> dict[str, Any]:  # fmt: skip
    containers = [{"name": f"c{i}"} for i in range(max(1, len(states)))]
    statuses = [
        {"name": f"c{i}", "state": state, "ready": "running" in state, "restartCount": 0}
        for i, state in enumerate(states)
    ]
    return {
        "metadata": {"name": "p", **({"deletionTimestamp": "x"} if deleted else {})},
        "spec": {"containers": containers, "initContainers": [{"name": s["name"]} for s in inits or []]},
        "status": {"phase": phase, "containerStatuses": statuses, "initContainerStatuses": inits or [], **status},
    }


RUNNING: dict[str, Any] = {"running": {}}
DONE: dict[str, Any] = {"terminated": {"reason": "Completed", "exitCode": 0}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (pod("Pending"), "Pending"),
        (pod("Pending", {"waiting": {"reason": "ContainerCreating"}}), "ContainerCreating"),
        (pod("Running", RUNNING), "Running"),
        (pod("Running", RUNNING, deleted=True), "Terminating"),
        (pod("Succeeded", DONE), "Completed"),
        (pod("Failed", {"terminated": {"reason": "OOMKilled", "exitCode": 137}}), "OOMKilled"),
        (pod("Failed", {"terminated": {"exitCode": 3}}), "ExitCode:3"),
        (pod("Running", RUNNING, DONE), "NotReady"),
        (pod("Running", RUNNING, DONE, conditions=[{"type": "Ready", "status": "True"}]), "Running"),
        (pod("Failed", reason="Evicted"), "Evicted"),
        (pod("Pending", inits=[{"name": "i", "state": RUNNING}]), "Init:0/1"),
        (
            pod("Pending", inits=[{"name": "i", "state": {"terminated": {"reason": "Error", "exitCode": 1}}}]),
            "Init:Error",
        ),
        (pod("Pending", inits=[{"name": "i", "state": {"waiting": {"reason": "ErrImagePull"}}}]), "Init:ErrImagePull"),
    ],
)
def test_a_pod_s_status_is_one_word(given: dict[str, Any], expected: str) -> None:
    assert pod_status(given) == expected


def test_readiness_counts_native_sidecars() -> None:
    given = pod("Running", RUNNING, inits=[{"name": "s", "state": RUNNING, "ready": True, "started": True}])
    given["spec"]["initContainers"][0]["restartPolicy"] = "Always"
    assert pod_ready(given) == "2/2"


def test_restarts_say_when_the_last_one_was() -> None:
    given = pod("Running", RUNNING)
    assert pod_restarts(given) == "0"
    given["status"]["containerStatuses"][0] |= {
        "restartCount": 2, "lastState": {"terminated": {"finishedAt": "2000-01-01T00:00:00Z"}},
    }  # fmt: skip
    assert pod_restarts(given).startswith("2 (")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (130, "2m10s"), (3600, "60m"), (3 * 3600, "3h"),
     (3 * 3600 + 60, "3h1m"), (9 * 3600, "9h"), (49 * 3600, "2d1h"), (10 * 86400, "10d")],
)  # fmt: skip
def test_durations_read_as_in_kubectl(seconds: int, text: str) -> None:
    assert human_duration(seconds) == text


def test_an_age_is_the_time_since() -> None:
    assert age("2026-01-01T00:00:00Z", datetime(2026, 1, 1, 0, 0, 42, tzinfo=UTC)) == "42s"
    assert age(None) == "<unknown>"
