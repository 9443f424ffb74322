"""Whether an attempt is over, and how: decided from its pod, its manifest and its heartbeat. Pure.

An attempt succeeds only by its manifest. A pod that ended well without one has failed; a pod that is gone after it
wrote one has not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gauntlet.agent import contract
from gauntlet.kube import causes
from gauntlet.kube.causes import Cause, Death


@dataclass(frozen=True)
class Observation:
    """What can be seen of an attempt now.

    :param pod: the pod's JSON; None when the cluster has no such pod.
    :param last: the pod's JSON when it was last seen; of a deleted pod it tells who deleted it.
    :param manifest_state: the manifest's ``state``; None while there is no manifest.
    :param pending_seconds: how long the pod has been Pending.
    :param silent_seconds: how long its heartbeat has not changed while the pod was Running.
    """

    pod: dict[str, Any] | None
    manifest_state: str | None
    pending_seconds: float = 0.0
    silent_seconds: float = 0.0
    last: dict[str, Any] | None = None


@dataclass(frozen=True)
class Limits:
    """After how many seconds a pod counts as stuck or silent."""

    start_timeout_seconds: float
    silence_seconds: float


@dataclass(frozen=True)
class Ended:
    """The attempt is over; ``death`` is None when its manifest counts."""

    death: Death | None


def judge(seen: Observation, limits: Limits) -> Ended | None:
    """Whether the attempt is over.

    :returns: None while it goes on.
    """
    if seen.manifest_state is not None and seen.manifest_state != contract.CANCELLED:
        return Ended(None)
    if seen.pod is None:
        known = causes.death(seen.last) if seen.last is not None else None
        return Ended(known or Death(Cause.POD_DELETED, "the pod was deleted before it had finished"))
    death = causes.death(seen.pod)
    if seen.manifest_state == contract.CANCELLED:
        # The agent was told to stop and said goodbye: the pod knows who told it.
        return Ended(death or Death(Cause.POD_DELETED, "the pod was stopped before it had finished"))
    death = death or causes.stuck(
        seen.pod, pending_seconds=seen.pending_seconds, timeout_seconds=limits.start_timeout_seconds
    )
    if death is not None:
        return Ended(death)
    if causes.phase(seen.pod) == "Succeeded":
        return Ended(Death(Cause.CONTAINER_FAILED, "the pod ended without a manifest"))
    if causes.phase(seen.pod) == "Running" and seen.silent_seconds > limits.silence_seconds:
        return Ended(Death(Cause.HEARTBEAT_LOST, f"no sign of life for {seen.silent_seconds:.0f} s"))
    return None
