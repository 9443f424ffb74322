"""A pod's phase and conditions follow from its containers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.local.devcluster.node.statuses import (
    Record,
    back_off_seconds,
    conditions,
    final_phase,
    phase,
    should_restart,
)


def record(state: Any, *, init: bool = False, sidecar: bool = False, last: Any = None) -> Record:
    states: dict[str, Any] = {"run": {"running": {}}, "wait": {"waiting": {"reason": "ContainerCreating"}}}
    found = states.get(state) or {"terminated": {"exitCode": state}}
    return Record("c", "i", init=init, sidecar=sidecar, state=found, last_state=last or {}, started=state == "run",
                  ready=state == "run")  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "mains", "expected"),
    [
        ("Always", ["wait"], "Pending"), ("Always", ["run", "wait"], "Pending"), ("Always", ["run"], "Running"),
        ("Never", [0], "Succeeded"), ("Never", [0, 1], "Failed"), ("Never", [0, "run"], "Running"),
        ("OnFailure", [0], "Succeeded"), ("OnFailure", [1], "Running"), ("Always", [0], "Running"),
    ],
)  # fmt: skip
def test_the_phase_follows_from_the_containers(policy: str, mains: list[Any], expected: str) -> None:
    assert phase({"restartPolicy": policy}, [], [record(state) for state in mains]) == expected


def test_a_crashing_container_keeps_its_pod_running() -> None:
    crashing = record("wait", last={"terminated": {"exitCode": 1}})
    assert phase({"restartPolicy": "Always"}, [], [crashing]) == "Running"


@pytest.mark.parametrize(
    ("policy", "init", "expected"),
    [("Never", "run", "Pending"), ("Never", 1, "Failed"), ("Always", 1, "Pending"), ("Never", 0, "Succeeded")],
)
def test_init_containers_come_first(policy: str, init: Any, expected: str) -> None:
    main = record(0) if init == 0 else record("wait")
    assert phase({"restartPolicy": policy}, [record(init, init=True)], [main]) == expected


def test_a_pod_is_over_only_when_its_sidecars_are() -> None:
    sidecar = record("run", init=True, sidecar=True)
    assert phase({"restartPolicy": "Never"}, [sidecar], [record(0)]) == "Running"
    assert phase({"restartPolicy": "Never"}, [record(0, init=True, sidecar=True)], [record(0)]) == "Succeeded"


def test_a_pod_ended_from_outside_failed_unless_all_ended_well() -> None:
    assert final_phase([record(0)], []) == "Succeeded"
    assert final_phase([record(143)], []) == "Failed"
    assert final_phase([record("wait")], []) == "Failed"


def test_conditions_say_what_is_not_ready_and_keep_their_times() -> None:
    before = [
        {"type": "Ready", "status": "False", "lastTransitionTime": "then"},
        {"type": "PodScheduled", "status": "True"},
    ]
    found = {c["type"]: c for c in conditions({}, "Pending", [], [record("wait")], before, sandbox=True)}
    assert found["Ready"]["message"] == "containers with unready status: [c]"
    assert found["Ready"]["lastTransitionTime"] == "then"
    assert found["Initialized"]["status"] == "True"
    assert found["PodScheduled"]["status"] == "True"
    done = {c["type"]: c for c in conditions({}, "Succeeded", [], [record(0)], before, sandbox=True)}
    assert done["Ready"]["reason"] == "PodCompleted"


@given(st.integers(min_value=1, max_value=1000))
def test_the_back_off_grows_and_is_bounded(crashes: int) -> None:
    assert 0 <= back_off_seconds(crashes) <= back_off_seconds(crashes + 1) <= 300


def test_the_first_restart_is_at_once_and_the_second_waits_ten_seconds() -> None:
    assert [back_off_seconds(n) for n in (1, 2, 3, 4, 9)] == [0, 10, 20, 40, 300]


@pytest.mark.parametrize(
    ("policy", "code", "expected"),
    [("Always", 0, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)],
)
def test_the_restart_policy_decides(policy: str, code: int, expected: bool) -> None:
    assert should_restart(policy, code) is expected
