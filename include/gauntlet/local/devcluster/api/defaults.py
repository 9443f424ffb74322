"""The values a real API server fills in. Each function changes a fresh object in place; nothing is refused here.

Source: pkg/apis/core/v1/defaults.go of Kubernetes 1.34.
"""

from __future__ import annotations

from typing import Any

from gauntlet.local.devcluster.store.objects import Object
from gauntlet.local.devcluster.store.quantities import QuantityError, parse

_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def namespace(obj: Object) -> None:
    """A namespace is active and carries its own name as a label."""
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
    obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    obj.setdefault("status", {}).setdefault("phase", "Active")


def secret(obj: Object) -> None:
    """`stringData` is written into `data` and never read back."""
    import base64

    obj.setdefault("type", "Opaque")
    for key, text in (obj.pop("stringData", None) or {}).items():
        data = obj["data"] = obj.get("data") or {}
        data[key] = base64.b64encode(str(text).encode()).decode()


def volume_claim(obj: Object) -> None:
    """A claim waits until it is bound."""
    obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    obj.setdefault("status", {}).setdefault("phase", "Pending")


def volume(obj: Object) -> None:
    """A volume is kept when its claim goes, unless it says otherwise."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    obj.setdefault("status", {}).setdefault("phase", "Available")


def pod(obj: Object) -> None:
    """Fill in a pod's specification and its first status."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("enableServiceLinks", True)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = account
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", 0)
    _tolerations(spec)
    for group in ("initContainers", "containers"):
        for container in spec.get(group) or []:
            if isinstance(container, dict):
                _container(container)
    for item in spec.get("volumes") or []:
        if isinstance(item, dict):
            _volume_source(item)
    obj["metadata"].setdefault("generation", 1)
    status = obj.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", qos_class(spec))


def _tolerations(spec: dict[str, Any]) -> None:
    tolerations = spec["tolerations"] = list(spec.get("tolerations") or [])
    for taint in _TAINTS:
        if not any(t.get("key") in (taint, None) and t.get("effect") in ("NoExecute", None) for t in tolerations):
            tolerations.append({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})


def _container(container: dict[str, Any]) -> None:
    image = container.get("image") or ""
    tag = image.rpartition("/")[2].partition(":")[2]
    latest = tag in ("", "latest") and "@" not in image
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    resources = container.setdefault("resources", {})
    if resources.get("limits"):
        resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
    for entry in container.get("env") or []:
        reference = (entry.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name):
            container[name] = {**_PROBE, **container[name]}
            if "httpGet" in container[name]:
                container[name]["httpGet"] = {"path": "/", "scheme": "HTTP", **container[name]["httpGet"]}


def _volume_source(item: dict[str, Any]) -> None:
    if not set(item) - {"name"}:
        item["emptyDir"] = {}
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if isinstance(item.get(source), dict):
            item[source].setdefault("defaultMode", 0o644)
    if isinstance(item.get("hostPath"), dict):
        item["hostPath"].setdefault("type", "")
    for projection in (item.get("projected") or {}).get("sources") or []:
        if "serviceAccountToken" in projection:
            projection["serviceAccountToken"].setdefault("expirationSeconds", 3600)


def qos_class(spec: dict[str, Any]) -> str:
    """Return Guaranteed, Burstable or BestEffort (pkg/apis/core/v1/helper/qos)."""
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    resources = [c.get("resources") or {} for c in containers if isinstance(c, dict)]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    return "Guaranteed" if all(_guaranteed(r) for r in resources) else "Burstable"


def _guaranteed(resources: dict[str, Any]) -> bool:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    try:
        return all(n in limits and parse(limits[n]) == parse(requests.get(n, limits[n])) for n in ("cpu", "memory"))
    except QuantityError:
        return False
