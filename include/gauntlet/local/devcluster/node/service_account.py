"""Gives a pod its API token when it asks for one by name: `automountServiceAccountToken: true`, said by the pod.

A real cluster mounts one unless told not to. Here a token file is written only when asked, as it would lie on the
host's disk. Pure: a specification in, a specification out.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME = "kube-api-access"


def wanted(spec: Object) -> bool:
    """Whether the pod itself asks for a token."""
    return spec.get("automountServiceAccountToken") is True


def with_token(spec: Object) -> Object:
    """Return the specification with the volume and mounts a real cluster adds."""
    if not wanted(spec):
        return spec
    sources = [
        {"serviceAccountToken": {"path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    volume = {"name": VOLUME, "projected": {"sources": sources, "defaultMode": 0o600}}
    result = {**spec, "volumes": [*(spec.get("volumes") or []), volume]}
    for group in ("initContainers", "containers"):
        if spec.get(group):
            result[group] = [_mounted(container) for container in spec[group]]
    return result


def _mounted(container: Object) -> Object:
    mounts = container.get("volumeMounts") or []
    return {**container, "volumeMounts": [*mounts, {"name": VOLUME, "mountPath": MOUNT_PATH, "readOnly": True}]}


def environment(spec: Object, host: str, port: int) -> dict[str, str]:
    """Return the variables by which in-cluster clients find the API."""
    if not wanted(spec):
        return {}
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port),
            "KUBERNETES_SERVICE_PORT_HTTPS": str(port)}  # fmt: skip
