"""What pods ask for and what a node has: arithmetic over quantities. Pure.

Source of the request formula: k8s.io/component-helpers/resource.PodRequests.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from gauntlet.local.devcluster.store.quantities import QuantityError, parse

RESOURCES = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True)
class Machine:
    """What the node offers: cores, bytes, number of pods."""

    cpu_cores: Fraction
    memory_bytes: int
    pods: int


def _amount(container: dict[str, Any], kind: str, name: str) -> Fraction:
    value = ((container.get("resources") or {}).get(kind) or {}).get(name)
    try:
        return parse(value) if value is not None else Fraction(0)
    except QuantityError:
        return Fraction(0)


def pod_request(spec: dict[str, Any], name: str) -> Fraction:
    """Return what a pod requests: its containers together, or the largest moment of its initialization."""
    sidecars, peak = Fraction(0), Fraction(0)
    for container in spec.get("initContainers") or []:
        wanted = _amount(container, "requests", name)
        if container.get("restartPolicy") == "Always":
            sidecars += wanted
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + wanted)
    running = sum((_amount(c, "requests", name) for c in spec.get("containers") or []), Fraction(0)) + sidecars
    overhead = (spec.get("overhead") or {}).get(name)
    return max(running, peak) + (parse(overhead) if overhead is not None else 0)


def shortages(spec: dict[str, Any], others: Iterable[dict[str, Any]], allocatable: dict[str, str]) -> list[str]:
    """Return why a pod does not fit beside others, in the scheduler's words; empty when it fits.

    Args:
        spec: the pod's specification.
        others: the specifications of the pods that hold resources on the node.
        allocatable: the node's `status.allocatable`.
    """
    placed = list(others)
    found = ["Too many pods"] if len(placed) + 1 > parse(allocatable.get("pods", "110")) else []
    names = {*RESOURCES, *_extended(spec)}
    for name in sorted(names):
        wanted = pod_request(spec, name)
        free = parse(allocatable.get(name, "0")) - sum((pod_request(other, name) for other in placed), Fraction(0))
        if wanted > 0 and wanted > free:
            found.append(f"Insufficient {name}")
    return found


def _extended(spec: dict[str, Any]) -> set[str]:
    return {
        name
        for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
        for name in (container.get("resources") or {}).get("requests") or {}
    }


def memory_limit_bytes(container: dict[str, Any]) -> int | None:
    """Return a container's memory limit."""
    limit = _amount(container, "limits", "memory")
    return int(limit) if limit > 0 else None
