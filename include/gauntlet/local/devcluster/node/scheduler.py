"""Puts pods on nodes: a pure decision over what was seen, and a client that carries it out.

Source of the sentences: pkg/scheduler/framework (Unschedulable messages) of Kubernetes 1.34.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import aiohttp

from gauntlet.local.devcluster.node.client import ApiRefusalError, Client, Object, object_path
from gauntlet.local.devcluster.node.events import EventRecorder
from gauntlet.local.devcluster.node.resources import shortages
from gauntlet.local.devcluster.node.statuses import stamp


@dataclass(frozen=True)
class Placement:
    """Where a pod goes; without a node, why it goes nowhere."""

    node: str = ""
    why_not: str = ""


def place(pod: Object, nodes: Iterable[Object], pods: Iterable[Object]) -> Placement:
    """Choose a node for a pod, the first that fits.

    Args:
        pod: the pod to place.
        nodes: all nodes.
        pods: all pods; those that hold resources count.
    """
    holding = [p for p in pods if p["spec"].get("nodeName") and _holds(p)]
    reasons: Counter[str] = Counter()
    count = 0
    for node in nodes:
        count += 1
        name = node["metadata"]["name"]
        others = [p["spec"] for p in holding if p["spec"]["nodeName"] == name]
        problems = _unwilling(pod, node) or shortages(pod["spec"], others, node["status"]["allocatable"])
        if not problems:
            return Placement(node=name)
        reasons.update(problems)
    listed = ", ".join(sorted(f"{number} {reason}" for reason, number in reasons.items()))
    return Placement(why_not=f"0/{count} nodes are available: {listed}." if count else "no nodes available")


def _holds(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def _unwilling(pod: Object, node: Object) -> list[str]:
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
            elif kind == "DELETED":
                cache.pop(found["metadata"]["uid"], None)
                self._told.pop(found["metadata"]["uid"], None)
            else:
                cache[found["metadata"]["uid"]] = found
            self._changed.set()

    async def _schedule(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if not self.nodes:
                continue
            waiting = [p for p in self.pods.values() if _waits(p)]
            for pod in sorted(waiting, key=lambda p: int(p["metadata"]["resourceVersion"])):
                if pod["metadata"]["uid"] in self.pods:
                    await self._place(pod)

    async def _place(self, pod: Object) -> None:
        metadata = pod["metadata"]
        placement = place(pod, self.nodes.values(), self.pods.values())
        try:
            if placement.node:
                await self._bind(pod, placement.node)
            elif self._told.get(metadata["uid"]) != placement.why_not:
                self._told[metadata["uid"]] = placement.why_not
                await self._refuse(pod, placement.why_not)
        except (ApiRefusalError, aiohttp.ClientError) as problem:
            if not (isinstance(problem, ApiRefusalError) and problem.code in (404, 409)):
                self._changed.set()
                await asyncio.sleep(0.2)

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


def _waits(pod: Object) -> bool:
    gone = pod["metadata"].get("deletionTimestamp") or pod["spec"].get("schedulingGates")
    return not pod["spec"].get("nodeName") and _holds(pod) and not gone
