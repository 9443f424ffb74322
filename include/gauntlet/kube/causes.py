"""Why a pod died, in one word and one sentence. Pure: a pod's JSON in, a cause out.

The words are Kubernetes' own reasons where it has one. Sources: the Pod API (``status.reason``,
``status.conditions``, ``status.containerStatuses[].state``) and what the kubelet writes there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Cause(StrEnum):
    """Causes of death, and of never coming to life."""

    OOM_KILLED = "OOMKilled"
    EVICTED = "Evicted"
    IMAGE_UNAVAILABLE = "ImageUnavailable"
    NODE_LOST = "NodeLost"
    POD_DELETED = "PodDeleted"
    TIMED_OUT = "TimedOut"
    SECRET_MISSING = "SecretMissing"  # noqa: S105
    UNSCHEDULABLE = "Unschedulable"
    START_FAILED = "StartFailed"
    CONTAINER_FAILED = "ContainerFailed"
    HEARTBEAT_LOST = "HeartbeatLost"


#: Causes that say nothing about the tests: another attempt may well succeed.
INFRASTRUCTURE = frozenset(
    {
        Cause.OOM_KILLED,
        Cause.EVICTED,
        Cause.IMAGE_UNAVAILABLE,
        Cause.NODE_LOST,
        Cause.POD_DELETED,
        Cause.UNSCHEDULABLE,
        Cause.START_FAILED,
        Cause.CONTAINER_FAILED,
        Cause.HEARTBEAT_LOST,
    }
)

_IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
_CONFIG_REASONS = frozenset({"CreateContainerConfigError"})
_START_REASONS = frozenset({"CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"})


@dataclass(frozen=True)
class Death:
    """A cause with its sentence."""

    cause: Cause
    message: str


def phase(pod: dict[str, Any]) -> str:
    """``Pending``, ``Running``, ``Succeeded``, ``Failed`` or ``Unknown``."""
    return str(pod.get("status", {}).get("phase") or "Pending")


def node(pod: dict[str, Any]) -> str:
    """The node it was bound to; empty before that."""
    return str(pod.get("spec", {}).get("nodeName") or "")


def is_over(pod: dict[str, Any]) -> bool:
    """Whether nothing of it runs any more."""
    return phase(pod) in {"Succeeded", "Failed"}


def death(pod: dict[str, Any]) -> Death | None:
    """The cause, when the pod is dead or will never start; None while there is hope or it succeeded."""
    status = pod.get("status", {})
    return _whole_pod(pod, status) or _waiting(status) or _terminated(pod, status)


def stuck(pod: dict[str, Any], *, pending_seconds: float, timeout_seconds: float) -> Death | None:
    """The cause, when a pod has been Pending for too long: unschedulable, or simply not started."""
    if phase(pod) != "Pending" or pending_seconds < timeout_seconds or _begun(pod):
        return None
    for condition in pod.get("status", {}).get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            why = condition.get("message") or "no node takes it"
            return Death(Cause.UNSCHEDULABLE, f"not scheduled within {timeout_seconds:.0f} s: {why}")
    return Death(Cause.START_FAILED, f"not started within {timeout_seconds:.0f} s")


def _begun(pod: dict[str, Any]) -> bool:
    """Whether a container of it has started: an init container may work for long while its pod is Pending."""
    states = (container.get("state") or {} for container in _containers(pod.get("status", {})))
    return any("running" in state or "terminated" in state for state in states)


def _whole_pod(pod: dict[str, Any], status: dict[str, Any]) -> Death | None:
    reason = status.get("reason") or ""
    message = status.get("message") or ""
    for condition in status.get("conditions") or []:
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            why = condition.get("message") or ""
            if condition.get("reason") == "DeletionByTaintManager":
                return Death(Cause.NODE_LOST, f"its node {node(pod)} was lost: {why}")
            return Death(Cause.EVICTED, why or "evicted")
    by_reason = {
        "Evicted": Cause.EVICTED,
        "Preempting": Cause.EVICTED,
        "NodeLost": Cause.NODE_LOST,
        "NodeShutdown": Cause.NODE_LOST,
        "Terminated": Cause.NODE_LOST,
        "DeadlineExceeded": Cause.TIMED_OUT,
        "UnexpectedAdmissionError": Cause.START_FAILED,
    }
    if reason in by_reason:
        return Death(by_reason[reason], message or reason)
    if phase(pod) == "Unknown":
        return Death(Cause.NODE_LOST, f"its node {node(pod)} no longer answers")
    return None


def _waiting(status: dict[str, Any]) -> Death | None:
    for container in _containers(status):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason, message = waiting.get("reason") or "", waiting.get("message") or ""
        text = f"container {container.get('name')}: {message or reason}"
        if reason in _IMAGE_REASONS:
            return Death(Cause.IMAGE_UNAVAILABLE, text)
        if reason in _CONFIG_REASONS:
            secret = "secret" in message.lower()
            return Death(Cause.SECRET_MISSING if secret else Cause.START_FAILED, text)
        if reason in _START_REASONS:
            return Death(Cause.START_FAILED, text)
    return None


def _terminated(pod: dict[str, Any], status: dict[str, Any]) -> Death | None:
    if phase(pod) == "Succeeded":
        return None
    for container in _containers(status):
        over = (container.get("state") or {}).get("terminated") or {}
        if not over or over.get("exitCode") == 0:
            continue
        reason, code = over.get("reason") or "", over.get("exitCode")
        said = (over.get("message") or "").strip()[-500:]
        text = f"container {container.get('name')} ended with code {code}" + (f": {said}" if said else "")
        if reason == "OOMKilled":
            return Death(Cause.OOM_KILLED, f"{text} (out of memory)")
        if pod.get("metadata", {}).get("deletionTimestamp"):
            return Death(Cause.POD_DELETED, f"{text} (the pod was deleted)")
        if reason in _START_REASONS:
            return Death(Cause.START_FAILED, text)
        if phase(pod) == "Failed":
            return Death(Cause.CONTAINER_FAILED, text)
    if phase(pod) == "Failed":
        return Death(Cause.CONTAINER_FAILED, status.get("message") or "the pod failed and says no more")
    return None


def _containers(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
