"""What pods ask for and what a node has: arithmetic over quantities. Pure.

Source of the request formula: k8s.io/component-helpers/resource.PodRequests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from gauntlet.local.devcluster.store.quantities import QuantityError, parse


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


@dataclass
class Used:
    """What the pods on a node hold together."""

    amounts: dict[str, Fraction] = field(default_factory=dict)
    pods: int = 0

    def add(self, spec: dict[str, Any]) -> None:
        """Count one more pod."""
        self.pods += 1
        for name in _names(spec):
            self.amounts[name] = self.amounts.get(name, Fraction(0)) + pod_request(spec, name)


def free_of(allocatable: Mapping[str, str], used: Used) -> dict[str, Fraction]:
    """Return what is left of a node's `status.allocatable`; pods count under "pods"."""
    free = {name: parse(value) - used.amounts.get(name, Fraction(0)) for name, value in allocatable.items()}
    return {**free, "pods": parse(allocatable.get("pods", "110")) - used.pods}


def shortages(spec: dict[str, Any], free: Mapping[str, Fraction]) -> list[str]:
    """Return why a pod does not fit into what is free, in the scheduler's words; empty when it fits."""
    found = ["Too many pods"] if free.get("pods", Fraction(0)) < 1 else []
    for name in _names(spec):
        wanted = pod_request(spec, name)
        if wanted > 0 and wanted > free.get(name, Fraction(0)):
            found.append(f"Insufficient {name}")
    return found


def _names(spec: dict[str, Any]) -> list[str]:
    """Return every resource a pod requests."""
    return sorted({
        name
        for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
        for name in (container.get("resources") or {}).get("requests") or {}
    } | set(spec.get("overhead") or {}))  # fmt: skip


def memory_limit_bytes(container: dict[str, Any]) -> int | None:
    """Return a container's memory limit."""
    limit = _amount(container, "limits", "memory")
    return int(limit) if limit > 0 else None
