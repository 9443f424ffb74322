"""An attempt succeeds by its manifest and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from gauntlet.agent import contract
from gauntlet.kube.attempts import Limits, Observation, judge
from gauntlet.kube.causes import Cause

LIMITS = Limits(start_timeout_seconds=100, silence_seconds=60)
RUNNING: dict[str, Any] = {"metadata": {}, "status": {"phase": "Running"}}
SUCCEEDED: dict[str, Any] = {"metadata": {}, "status": {"phase": "Succeeded"}}


@pytest.mark.parametrize("state", [contract.COMPLETED, contract.TIMED_OUT, contract.COULD_NOT_RUN])
@pytest.mark.parametrize("pod", [RUNNING, SUCCEEDED, None])
def test_a_manifest_counts_whatever_became_of_the_pod(state: str, pod: dict[str, Any] | None) -> None:
    ended = judge(Observation(pod, state), LIMITS)
    assert ended is not None
    assert ended.death is None


@pytest.mark.parametrize(
    ("seen", "cause"),
    [
        (Observation(None, None), Cause.POD_DELETED),
        (
            Observation(None, None, last={"metadata": {}, "status": {"phase": "Failed", "reason": "Evicted"}}),
            Cause.EVICTED,
        ),
        (Observation(None, contract.CANCELLED, last=RUNNING), Cause.POD_DELETED),
        (Observation(RUNNING, contract.CANCELLED), Cause.POD_DELETED),
        (Observation(SUCCEEDED, None), Cause.CONTAINER_FAILED),
        (Observation(RUNNING, None, silent_seconds=61), Cause.HEARTBEAT_LOST),
        (Observation({"metadata": {}, "status": {"phase": "Pending"}}, None, pending_seconds=101), Cause.START_FAILED),
        (
            Observation({"metadata": {}, "status": {"phase": "Failed", "reason": "Evicted"}}, contract.CANCELLED),
            Cause.EVICTED,
        ),
    ],
)
def test_an_attempt_without_a_complete_manifest_dies_of_something(seen: Observation, cause: Cause) -> None:
    ended = judge(seen, LIMITS)
    assert ended is not None
    assert ended.death is not None
    assert ended.death.cause is cause


@pytest.mark.parametrize("seen", [Observation(RUNNING, None, silent_seconds=59), Observation({}, None)])
def test_while_there_is_hope_nothing_is_decided(seen: Observation) -> None:
    assert judge(seen, LIMITS) is None
