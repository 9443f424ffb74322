"""What `kubectl get` shows of each kind: columns as functions of the object. Pure.

Column names, order and priorities are those of Kubernetes 1.34's printers (pkg/printers/internalversion).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gauntlet.local.devcluster.store.objects import Object


@dataclass(frozen=True)
class Column:
    """A column: its head, its cell, 1 when only `-o wide` shows it, "name" when it is the object's name."""

    name: str
    cell: Callable[[Object], Any]
    priority: int = 0
    format: str = ""


def table(columns: tuple[Column, ...], objects: list[Object], *, include: str, heads: bool = True) -> Object:
    """Return a `Table` of `objects`.

    Args:
        columns: the kind's columns.
        objects: the rows.
        include: what each row carries of its object: "Metadata", "Object" or "None".
        heads: whether the column definitions are given (in a watch: only the first time).
    """
    result: Object = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}}
    result["columnDefinitions"] = [
        {"name": c.name, "type": "string", "format": c.format, "description": c.name, "priority": c.priority}
        for c in columns
    ] if heads else None  # fmt: skip
    result["rows"] = [_row(columns, obj, include) for obj in objects]
    return result


def _row(columns: tuple[Column, ...], obj: Object, include: str) -> Object:
    row: Object = {"cells": [column.cell(obj) for column in columns]}
    if include == "Object":
        row["object"] = obj
    elif include != "None":
        row["object"] = {
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"],
        }  # fmt: skip
    return row


def age(stamp: str | None, now: datetime | None = None) -> str:
    """Write the time since `stamp` as kubectl does (k8s.io/apimachinery/pkg/util/duration.HumanDuration)."""
    if not stamp:
        return "<unknown>"
    then = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    return human_duration(int(((now or datetime.now(UTC)) - then).total_seconds()))


def human_duration(seconds: int) -> str:
    """Write a duration in at most two units."""
    if seconds < 0:
        return "0s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    steps: list[tuple[bool, str]] = [
        (seconds < 120, f"{seconds}s"),
        (minutes < 10, f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"),
        (minutes < 180, f"{minutes}m"),
        (hours < 8, f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"),
        (hours < 48, f"{hours}h"),
        (days < 8, f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"),
    ]
    return next((text for fits, text in steps if fits), f"{days}d")


def _age(obj: Object) -> str:
    return age(obj["metadata"].get("creationTimestamp"))


def _status_of(obj: Object) -> dict[str, Any]:
    return obj.get("status") or {}


NAME = Column("Name", lambda o: o["metadata"]["name"], format="name")
AGE = Column("Age", _age)
PLAIN = (NAME, Column("Created At", lambda o: o["metadata"].get("creationTimestamp", "")))


# --- pods -------------------------------------------------------------------------------------------------------


def pod_ready(pod: Object) -> str:
    """Write ready/total containers, native sidecars included."""
    spec, status = pod["spec"], _status_of(pod)
    sidecars = {c["name"] for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"}
    statuses = [
        *(s for s in status.get("initContainerStatuses") or [] if s["name"] in sidecars),
        *(status.get("containerStatuses") or []),
    ]
    ready = sum(bool(s.get("ready")) and "running" in s.get("state", {}) for s in statuses)
    return f"{ready}/{len(spec['containers']) + len(sidecars)}"


def pod_status(pod: Object) -> str:
    """Write the one word that says how a pod is (printPod)."""
    status = _status_of(pod)
    reason: str = status.get("reason") or status.get("phase") or "Unknown"
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            reason = "SchedulingGated"
    reason = _init_reason(pod) or _main_reason(pod, reason)
    if pod["metadata"].get("deletionTimestamp") and status.get("phase") not in ("Succeeded", "Failed"):
        return "Terminating"
    return reason


def _init_reason(pod: Object) -> str:
    containers = pod["spec"].get("initContainers") or []
    always = {c["name"] for c in containers if c.get("restartPolicy") == "Always"}
    for place, status in enumerate(_status_of(pod).get("initContainerStatuses") or []):
        state = status.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting")
        if terminated and terminated.get("exitCode") == 0:
            continue
        if status["name"] in always and status.get("started"):
            continue
        if terminated:
            return "Init:" + _terminated_word(terminated)
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{place}/{len(containers)}"
    return ""


def _main_reason(pod: Object, reason: str) -> str:
    has_running = False
    for status in reversed(_status_of(pod).get("containerStatuses") or []):
        state = status.get("state") or {}
        waiting, terminated = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason"):
            reason = waiting["reason"]
        elif terminated:
            reason = _terminated_word(terminated)
        elif status.get("ready") and "running" in state:
            has_running = True
    if reason == "Completed" and has_running:
        return "Running" if _is_ready(pod) else "NotReady"
    return reason


def _is_ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in _status_of(pod).get("conditions") or [])


def _terminated_word(terminated: dict[str, Any]) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode')}"


def pod_restarts(pod: Object) -> str:
    """Write the number of restarts, and when the last one was."""
    status = _status_of(pod)
    statuses = status.get("containerStatuses") or []
    if not statuses or all("waiting" in (s.get("state") or {}) for s in statuses):
        statuses = [*(status.get("initContainerStatuses") or []), *statuses]
    total = sum(s.get("restartCount", 0) for s in statuses)
    ends = [((s.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for s in statuses]
    last = max((end for end in ends if end), default=None)
    return f"{total} ({age(last)} ago)" if total and last else str(total)


def _none(value: Any) -> Any:
    return value or "<none>"


POD = (
    NAME,
    Column("Ready", pod_ready),
    Column("Status", pod_status),
    Column("Restarts", pod_restarts),
    AGE,
    Column("IP", lambda o: _none(_status_of(o).get("podIP")), 1),
    Column("Node", lambda o: _none(o["spec"].get("nodeName")), 1),
    Column("Nominated Node", lambda _: "<none>", 1),
    Column("Readiness Gates", lambda _: "<none>", 1),
)

# --- the other kinds --------------------------------------------------------------------------------------------


def _node_status(node: Object) -> str:
    conditions = {c["type"]: c["status"] for c in _status_of(node).get("conditions") or []}
    words = ["Ready" if conditions.get("Ready") == "True" else "NotReady"]
    if node.get("spec", {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _node_roles(node: Object) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels") or {}
    return ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))) or "<none>"


def _node_info(field: str) -> Callable[[Object], Any]:
    return lambda node: _none((_status_of(node).get("nodeInfo") or {}).get(field))


def _node_address(kind: str) -> Callable[[Object], Any]:
    def cell(node: Object) -> Any:
        addresses = _status_of(node).get("addresses") or []
        return next((a["address"] for a in addresses if a["type"] == kind), "<none>")

    return cell


NODE = (
    NAME,
    Column("Status", _node_status),
    Column("Roles", _node_roles),
    AGE,
    Column("Version", _node_info("kubeletVersion")),
    Column("Internal-IP", _node_address("InternalIP"), 1),
    Column("External-IP", _node_address("ExternalIP"), 1),
    Column("OS-Image", _node_info("osImage"), 1),
    Column("Kernel-Version", _node_info("kernelVersion"), 1),
    Column("Container-Runtime", _node_info("containerRuntimeVersion"), 1),
)


def _last_seen(event: Object) -> str:
    return age(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp"))


def _first_seen(event: Object) -> str:
    return age(event.get("firstTimestamp") or event.get("eventTime"))


def _event_object(event: Object) -> str:
    involved = event.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _event_source(event: Object) -> str:
    source = event.get("source") or {}
    parts = [source.get("component") or event.get("reportingComponent"), source.get("host")]
    return ", ".join(part for part in parts if part)


EVENT = (
    Column("Last Seen", _last_seen),
    Column("Type", lambda o: o.get("type", "")),
    Column("Reason", lambda o: o.get("reason", "")),
    Column("Object", _event_object),
    Column("Subobject", lambda o: (o.get("involvedObject") or {}).get("fieldPath", ""), 1),
    Column("Source", _event_source, 1),
    Column("Message", lambda o: str(o.get("message", "")).strip()),
    Column("First Seen", _first_seen, 1),
    Column("Count", lambda o: o.get("count") or 1, 1),
    Column("Name", lambda o: o["metadata"]["name"], 1, "name"),
)
NAMESPACE = (NAME, Column("Status", lambda o: _status_of(o).get("phase", "")), AGE)
CONFIG_MAP = (NAME, Column("Data", lambda o: len(o.get("data") or {}) + len(o.get("binaryData") or {})), AGE)
SECRET = (NAME, Column("Type", lambda o: o.get("type", "")), Column("Data", lambda o: len(o.get("data") or {})), AGE)
SERVICE_ACCOUNT = (NAME, Column("Secrets", lambda o: len(o.get("secrets") or [])), AGE)

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _modes(modes: list[str] | None) -> str:
    return ",".join(_MODES.get(mode, mode) for mode in modes or [])


def _claim_status(claim: Object) -> str:
    return "Terminating" if claim["metadata"].get("deletionTimestamp") else _status_of(claim).get("phase", "")


def _claim_of(volume: Object) -> str:
    reference = volume["spec"].get("claimRef")
    return f"{reference.get('namespace')}/{reference.get('name')}" if reference else ""


VOLUME_CLAIM = (
    NAME,
    Column("Status", _claim_status),
    Column("Volume", lambda o: o["spec"].get("volumeName", "")),
    Column("Capacity", lambda o: (_status_of(o).get("capacity") or {}).get("storage", "")),
    Column("Access Modes", lambda o: _modes(_status_of(o).get("accessModes"))),
    Column("StorageClass", lambda o: o["spec"].get("storageClassName", "")),
    Column("VolumeAttributesClass", lambda _: "<unset>"),
    AGE,
    Column("VolumeMode", lambda o: o["spec"].get("volumeMode", ""), 1),
)
VOLUME = (
    NAME,
    Column("Capacity", lambda o: (o["spec"].get("capacity") or {}).get("storage", "")),
    Column("Access Modes", lambda o: _modes(o["spec"].get("accessModes"))),
    Column("Reclaim Policy", lambda o: o["spec"].get("persistentVolumeReclaimPolicy", "")),
    Column("Status", lambda o: _status_of(o).get("phase", "")),
    Column("Claim", _claim_of),
    Column("StorageClass", lambda o: o["spec"].get("storageClassName", "")),
    Column("VolumeAttributesClass", lambda _: "<unset>"),
    Column("Reason", lambda _: ""),
    AGE,
    Column("VolumeMode", lambda o: o["spec"].get("volumeMode", ""), 1),
)
