"""Puts pods on nodes: a pure decision over what was seen, and a client that carries it out.

Source of the sentences: pkg/scheduler/framework (Unschedulable messages) of Kubernetes 1.34.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import aiohttp

from gauntlet.local.devcluster.node.client import ApiRefusalError, Client, Object, object_path
from gauntlet.local.devcluster.node.events import EventRecorder
from gauntlet.local.devcluster.node.resources import Used, free_of, shortages
from gauntlet.local.devcluster.node.statuses import stamp

RETRY_SECONDS = 0.2


@dataclass(frozen=True)
class Placement:
    """Where a pod goes; without a node, why it goes nowhere."""

    node: str = ""
    why_not: str = ""


def place(pod: Object, nodes: Iterable[Object], used: Mapping[str, Used]) -> Placement:
    """Choose a node for a pod, the first that fits.

    Args:
        pod: the pod to place.
        nodes: all nodes.
        used: what the pods on each node hold, by the node's name.
    """
    reasons: Counter[str] = Counter()
    count = 0
    for node in nodes:
        count += 1
        name = node["metadata"]["name"]
        problems = _unwilling(pod, node)
        if not problems:
            problems = shortages(pod["spec"], free_of(node["status"]["allocatable"], used.get(name, Used())))
        if not problems:
            return Placement(node=name)
        reasons.update(problems)
    listed = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
    return Placement(why_not=f"0/{count} nodes are available: {listed}." if count else "no nodes available")


def _holds(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def _unwilling(pod: Object, node: Object) -> list[str]:
    if not _ready(node):
        return ["node(s) had untolerated taint {node.kubernetes.io/not-ready: }"]
    if node.get("spec", {}).get("unschedulable"):
        return ["node(s) were unschedulable"]
    labels = node["metadata"].get("labels") or {}
    spec = pod["spec"]
    selected = all(labels.get(key) == value for key, value in (spec.get("nodeSelector") or {}).items())
    if not selected or not _affine(spec, labels):
        return ["node(s) didn't match Pod's node affinity/selector"]
    for taint in node.get("spec", {}).get("taints") or []:
        if taint["effect"] in ("NoSchedule", "NoExecute") and not _tolerated(taint, spec.get("tolerations") or []):
            return [f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"]
    return []


def _affine(spec: Object, labels: dict[str, str]) -> bool:
    node_affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    terms = required.get("nodeSelectorTerms") or []
    return any(all(_matches(e, labels) for e in term.get("matchExpressions") or []) for term in terms)


def _matches(expression: Object, labels: dict[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    operator = expression["operator"]
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }.get(operator, False)


def _tolerated(taint: Object, tolerations: list[Object]) -> bool:
    for toleration in tolerations:
        key, effect = toleration.get("key"), toleration.get("effect")
        if effect not in (None, "", taint["effect"]) or key not in (None, "", taint["key"]):
            continue
        if toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", ""):
            return True
    return False


@dataclass
class Scheduler:
    """Watches pods and nodes and binds what fits, oldest first; what does not fit waits for a change."""

    client: Client
    events: EventRecorder
    nodes: dict[str, Object] = field(default_factory=dict)
    pods: dict[str, Object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._changed = asyncio.Event()
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        """Schedule until cancelled."""
        await asyncio.gather(
            self._follow("/api/v1/nodes", self.nodes), self._follow("/api/v1/pods", self.pods), self._schedule()
        )

    async def _follow(self, path: str, cache: dict[str, Object]) -> None:
        async for kind, found in self.client.follow(path):
            if kind == "SYNC":
                cache.clear()
                cache.update({obj["metadata"]["uid"]: obj for obj in found})
                self._changed.set()
                continue
            uid = found["metadata"]["uid"]
            before = cache.pop(uid, None)
            if kind == "DELETED":
                self._told.pop(uid, None)
            else:
                cache[uid] = found
            if before is None or kind == "DELETED" or _matters(before, found):
                self._changed.set()

    async def _schedule(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            waiting = [p for p in self.pods.values() if _waits(p)]
            if not self.nodes or not waiting:
                continue
            used = self._used()
            for pod in sorted(waiting, key=lambda p: int(p["metadata"]["resourceVersion"])):
                if pod["metadata"]["uid"] in self.pods:
                    await self._place(pod, used)

    def _used(self) -> dict[str, Used]:
        used: dict[str, Used] = {}
        for pod in self.pods.values():
            name = pod["spec"].get("nodeName")
            if name and _holds(pod):
                used.setdefault(name, Used()).add(pod["spec"])
        return used

    async def _place(self, pod: Object, used: dict[str, Used]) -> None:
        metadata = pod["metadata"]
        placement = place(pod, self.nodes.values(), used)
        try:
            if placement.node:
                await self._bind(pod, placement.node)
                used.setdefault(placement.node, Used()).add(pod["spec"])
            elif self._told.get(metadata["uid"]) != placement.why_not:
                self._told[metadata["uid"]] = placement.why_not
                await self._refuse(pod, placement.why_not)
        except (ApiRefusalError, aiohttp.ClientError) as problem:
            if not (isinstance(problem, ApiRefusalError) and problem.code in (404, 409)):
                self._changed.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def _bind(self, pod: Object, node: str) -> None:
        metadata = pod["metadata"]
        self.pods[metadata["uid"]] = {**pod, "spec": {**pod["spec"], "nodeName": node}}
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": metadata["name"]}, "target": target}
        path = object_path("pods", metadata["namespace"], metadata["name"])
        try:
            await self.client.create(f"{path}/binding", body)
        except (ApiRefusalError, aiohttp.ClientError):
            self.pods[metadata["uid"]] = pod
            raise
        message = f"Successfully assigned {metadata['namespace']}/{metadata['name']} to {node}"
        self.events.record(pod, "Normal", "Scheduled", message)

    async def _refuse(self, pod: Object, why: str) -> None:
        metadata = pod["metadata"]
        self.events.record(pod, "Warning", "FailedScheduling", why)
        condition = {
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why,
            "lastProbeTime": None, "lastTransitionTime": stamp(),
        }  # fmt: skip
        path = object_path("pods", metadata["namespace"], metadata["name"])
        await self.client.patch(f"{path}/status", {"status": {"conditions": [condition]}})


def _matters(before: Object, after: Object) -> bool:
    """Whether a change can make a pod fit that did not; a running pod's status reports do not."""
    if "containers" not in (after.get("spec") or {}):
        return _offer(before) != _offer(after)
    return _waits(before) != _waits(after) or _holds(before) != _holds(after)


def _offer(node: Object) -> tuple[Object, Object, Object, bool]:
    """What of a node decides whether pods go there; heartbeats do not."""
    status = node.get("status") or {}
    return node.get("spec") or {}, node["metadata"].get("labels") or {}, status.get("allocatable") or {}, _ready(node)


def _ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _waits(pod: Object) -> bool:
    gone = pod["metadata"].get("deletionTimestamp") or pod["spec"].get("schedulingGates")
    return not pod["spec"].get("nodeName") and _holds(pod) and not gone
