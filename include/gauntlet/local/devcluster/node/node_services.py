"""What every pod on the node shares: the API, events, the runtime, images, folders. No behaviour beyond lookups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gauntlet.local.devcluster.node.client import ApiRefusalError, Client, Object, object_path
from gauntlet.local.devcluster.node.events import EventRecorder
from gauntlet.local.devcluster.node.images import Catalogue
from gauntlet.local.devcluster.node.runtime import Runtime

RESOURCES = {
    "ConfigMap": "configmaps", "Secret": "secrets", "PersistentVolumeClaim": "persistentvolumeclaims",
    "PersistentVolume": "persistentvolumes",
}  # fmt: skip
PASSED_ON = (
    "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip
PASSED_ON_PREFIXES = ("PIP_", "UV_")


@dataclass
class NodeServices:
    """The node's shared parts."""

    name: str
    client: Client
    events: EventRecorder
    runtime: Runtime
    catalogue: Catalogue
    state_dir: Path
    pods_dir: Path
    allocatable: Mapping[str, str]
    host_ip: str
    api_port: int
    pod_token: str
    marker: str
    network_environment: Mapping[str, str] = field(default_factory=dict)

    def pod_folder(self, uid: str) -> Path:
        """Return where a pod's volumes, logs and temporary files are."""
        return self.pods_dir / uid

    def log_path(self, uid: str, container: str, restart: int) -> Path:
        """Return the log file of one instance of a container."""
        return self.pod_folder(uid) / "logs" / container / f"{restart}.log"

    async def fetch(self, namespace: str, kind: str, name: str) -> dict[str, Any] | None:
        """Read a config map, secret, claim or volume; None when it is not there."""
        place = "" if kind == "PersistentVolume" else namespace
        if not name:
            return None
        try:
            return await self.client.get(object_path(RESOURCES[kind], place, name))
        except ApiRefusalError as refusal:
            if refusal.code == 404:
                return None
            raise

    async def references(self, namespace: str, container: Object) -> dict[tuple[str, str], Object | None]:
        """Read every config map and secret a container's environment names."""
        wanted: set[tuple[str, str]] = set()
        for source in container.get("envFrom") or []:
            for key, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
                if key in source:
                    wanted.add((kind, source[key].get("name", "")))
        for entry in container.get("env") or []:
            for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                if key in (entry.get("valueFrom") or {}):
                    wanted.add((kind, entry["valueFrom"][key].get("name", "")))
        return {(kind, name): await self.fetch(namespace, kind, name) for kind, name in wanted}


def network_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the few variables of the host that every container gets: language, time zone, the way to the network."""
    return {key: value for key, value in environment.items() if key in PASSED_ON or key.startswith(PASSED_ON_PREFIXES)}
