"""Where pods go, and why they go nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from gauntlet.local.devcluster.node.resources import Used, pod_request
from gauntlet.local.devcluster.node.scheduler import place


def node(name: str = "n", **changes: Any) -> dict[str, Any]:
    status = {
        "allocatable": {"cpu": "2", "memory": "4Gi", "pods": "3"},
        "conditions": [{"type": "Ready", "status": changes.pop("ready", "True")}],
    }
    labels = changes.pop("labels", {})
    return {"metadata": {"name": name, "labels": labels}, "spec": changes, "status": status}


def pod(cpu: str = "1", memory: str = "1Gi", **spec: Any) -> dict[str, Any]:
    requests = {"requests": {"cpu": cpu, "memory": memory}}
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "resources": requests}], **spec}}


def used(*pods: dict[str, Any]) -> dict[str, Used]:
    total = Used()
    for each in pods:
        total.add(each["spec"])
    return {"n": total}


def test_a_pod_goes_where_it_fits() -> None:
    assert place(pod(), [node()], {}).node == "n"
    assert place(pod(), [node("full", unschedulable=True), node("free")], {}).node == "free"


@pytest.mark.parametrize(
    ("given", "holding", "where", "why"),
    [
        (pod(cpu="1500m"), [pod()], node(), "0/1 nodes are available: 1 Insufficient cpu."),
        (pod("9", "9Gi"), [], node(), "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory."),
        (pod("0", "0"), [pod("0", "0")] * 3, node(), "0/1 nodes are available: 1 Too many pods."),
        (pod(nodeSelector={"a": "b"}), [], node(),
         "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."),
        (pod(), [], node(unschedulable=True), "0/1 nodes are available: 1 node(s) were unschedulable."),
        (pod(), [], node(ready="False"),
         "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."),
        (pod(), [], node(taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]),
         "0/1 nodes are available: 1 node(s) had untolerated taint {k: v}."),
    ],
)  # fmt: skip
def test_a_pod_that_fits_nowhere_is_told_why(given: Any, holding: Any, where: Any, why: str) -> None:
    assert place(given, [where], used(*holding)).why_not == why


def test_tolerations_selectors_and_affinity_are_honoured() -> None:
    tainted = node(taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}], labels={"zone": "a"})
    tolerant = {"tolerations": [{"key": "k", "operator": "Exists"}], "nodeSelector": {"zone": "a"}}
    assert place(pod(**tolerant), [tainted], {}).node == "n"
    terms = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    assert place(pod(affinity=affinity), [node(labels={"zone": "b"})], {}).node == "n"
    assert place(pod(affinity=affinity), [node(labels={"zone": "a"})], {}).node == ""


def test_a_pod_s_request_is_its_largest_moment() -> None:
    def asks(cpu: str, **more: Any) -> dict[str, Any]:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "initContainers": [asks("1", restartPolicy="Always"), asks("5"), asks("1", restartPolicy="Always")],
        "containers": [asks("2"), asks("1")],
    }
    assert pod_request(spec, "cpu") == 6
    spec["containers"].append(asks("3"))
    assert pod_request(spec, "cpu") == 8
