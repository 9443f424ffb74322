"""Tells tests that the kernel killed for their memory from tests that died by themselves. Pure.

Over its limit, a container on cgroup v2 is killed as a whole. On cgroup v1, and where the kubelet is told so
(``singleProcessOOMKill``), the kernel kills the greediest process alone: that is the tool, and the agent outlives it
and reports a tool that died. Only the container's status knows why, as soon as the container has ended.
"""

from __future__ import annotations

from typing import Any

from gauntlet.agent import contract
from gauntlet.agent.contract import Manifest
from gauntlet.kube import causes
from gauntlet.kube.attempts import Ended
from gauntlet.kube.causes import Cause, Death

# What an agent says of a tool that a signal may have ended.
_TOOL_DIED = frozenset({"ToolDied", "ToolFailed", "CollectionFailed"})


def reconsider(ended: Ended | None, manifest: Manifest | None, pod: dict[str, Any] | None) -> Ended | None:
    """The end of an attempt, once its container has been heard too.

    :param ended: as the manifest and the pod's life have it.
    :param pod: the pod's JSON; None when the cluster has no such pod.
    :returns: None to look again: the tool died, and the container that says why has not ended yet.
    """
    if ended is None or ended.death is not None or pod is None or not may_be_memory(manifest):
        return ended
    if not causes.is_over(pod):
        return None
    killed = any(
        ((status.get("state") or {}).get("terminated") or {}).get("reason") == Cause.OOM_KILLED.value
        for status in pod["status"].get("containerStatuses") or []
    )
    return Ended(Death(Cause.OOM_KILLED, "the kernel killed the tests: out of memory")) if killed else ended


def overruled(manifest: Manifest | None, death: str) -> bool:
    """Whether a manifest does not count, because its attempt was found to have died of its memory.

    :param death: the cause that was written down for the attempt; empty for none.
    """
    return death == Cause.OOM_KILLED and may_be_memory(manifest)


def may_be_memory(manifest: Manifest | None) -> bool:
    """Whether what a manifest says could be the kernel's doing."""
    return manifest is not None and manifest.state != contract.CANCELLED and manifest.cause in _TOOL_DIED
