"""A pod's status from what is known of its containers: phase, conditions, container statuses. Pure.

Source: pkg/kubelet/kubelet_pods.go (getPhase) and pkg/kubelet/status/generate.go of Kubernetes 1.34.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]
CREATING = "ContainerCreating"
INITIALIZING = "PodInitializing"


def stamp(moment: datetime | None = None) -> str:
    """Write a moment in whole seconds, UTC."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Record:
    """What is known of one container."""

    name: str
    image: str
    init: bool = False
    sidecar: bool = False
    state: Object = field(default_factory=lambda: {"waiting": {"reason": CREATING}})
    last_state: Object = field(default_factory=dict)
    restart_count: int = 0
    ready: bool = False
    started: bool = False
    container_id: str = ""

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        """Its exit code when it has ended, else None."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    def status(self, resources: Object | None) -> Object:
        """Return the ContainerStatus."""
        found: Object = {
            "name": self.name, "state": self.state, "lastState": self.last_state, "ready": self.ready,
            "restartCount": self.restart_count, "image": self.image, "imageID": self.image if self.container_id else "",
            "started": self.started,
        }  # fmt: skip
        if self.container_id:
            found["containerID"] = self.container_id
        if resources:
            found["resources"] = resources
        return found


def phase(spec: Object, inits: Sequence[Record], mains: Sequence[Record]) -> str:
    """Return the phase a pod's containers put it in."""
    policy = spec.get("restartPolicy", "Always")
    failed_init = any(not r.sidecar and (r.exit_code or 0) != 0 for r in inits)
    if failed_init and policy == "Never":
        return "Failed"
    if any(not r.sidecar and r.exit_code != 0 for r in inits):
        return "Pending"
    waiting_first = any("waiting" in r.state and not r.last_state for r in mains)
    if waiting_first or any(r.sidecar and "waiting" in r.state and not r.last_state for r in inits):
        return "Pending"
    if any(r.running for r in mains):
        return "Running"
    codes = [r.exit_code for r in mains]
    if policy == "Always" or None in codes:
        return "Running"
    if all(code == 0 for code in codes):
        return "Succeeded" if not any(r.sidecar and r.running for r in inits) else "Running"
    if policy == "Never":
        return "Failed" if not any(r.sidecar and r.running for r in inits) else "Running"
    return "Running"


def final_phase(mains: Sequence[Record], inits: Sequence[Record]) -> str:
    """Return the phase of a pod whose containers were all ended from outside."""
    failed = any((r.exit_code or 0) != 0 or "waiting" in r.state for r in mains)
    failed = failed or any(not r.sidecar and (r.exit_code or 0) != 0 for r in inits)
    return "Failed" if failed else "Succeeded"


def conditions(
    spec: Object, pod_phase: str, inits: Sequence[Record], mains: Sequence[Record], before: Sequence[Object],
    *, sandbox: bool,
) -> list[Object]:  # fmt: skip
    """Return a pod's conditions; what did not change keeps its transition time.

    Args:
        spec: the pod's specification.
        pod_phase: its phase now.
        inits: its init containers and sidecars.
        mains: its containers.
        before: the conditions it has.
        sandbox: whether its volumes are there, which is the point at which a real pod has its sandbox.
    """
    found = [
        _condition("PodReadyToStartContainers", sandbox and pod_phase not in ("Succeeded", "Failed")),
        _initialized(pod_phase, inits),
        *_readiness(pod_phase, inits, mains),
    ]
    kept = {c["type"]: c for c in before}
    mine = [_keep_time(condition, kept.get(condition["type"])) for condition in found]
    return [*mine, *(c for c in before if c["type"] not in {m["type"] for m in mine})]


def _condition(kind: str, good: bool, reason: str = "", message: str = "") -> Object:
    found: Object = {"type": kind, "status": "True" if good else "False", "lastProbeTime": None}
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    return found


def _keep_time(condition: Object, before: Mapping[str, Any] | None) -> Object:
    same = before is not None and before["status"] == condition["status"]
    return {**condition, "lastTransitionTime": before["lastTransitionTime"] if same and before else stamp()}


def _initialized(pod_phase: str, inits: Sequence[Record]) -> Object:
    pending = [r.name for r in inits if not (r.started if r.sidecar else r.exit_code == 0)]
    if pod_phase == "Succeeded":
        return _condition("Initialized", True, "PodCompleted")
    if not pending:
        return _condition("Initialized", True)
    message = f"containers with incomplete status: [{' '.join(pending)}]"
    return _condition("Initialized", False, "ContainersNotInitialized", message)


def _readiness(pod_phase: str, inits: Sequence[Record], mains: Sequence[Record]) -> list[Object]:
    if pod_phase in ("Succeeded", "Failed"):
        reason = "PodCompleted" if pod_phase == "Succeeded" else "PodFailed"
        return [_condition("Ready", False, reason), _condition("ContainersReady", False, reason)]
    unready = [r.name for r in (*(r for r in inits if r.sidecar), *mains) if not r.ready]
    if not unready:
        return [_condition("Ready", True), _condition("ContainersReady", True)]
    message = f"containers with unready status: [{' '.join(unready)}]"
    return [_condition(kind, False, "ContainersNotReady", message) for kind in ("Ready", "ContainersReady")]


def should_restart(policy: str, exit_code: int) -> bool:
    """Tell whether a container that ended starts again."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def back_off_seconds(crashes: int, first_seconds: float = 10.0, most_seconds: float = 300.0) -> float:
    """Return how long to wait before restart number `crashes` (1 is the first): 0, 10, 20, 40 … 300 s."""
    return 0.0 if crashes <= 1 else min(most_seconds, first_seconds * 2.0 ** min(crashes - 2, 10))
