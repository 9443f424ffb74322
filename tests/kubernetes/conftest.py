"""The cluster that tests marked `kubernetes` run on: any real one, else a devcluster of this session's own.

GAUNTLET_TEST_KUBECONFIG names the kubeconfig of a cluster where namespaces may be made and deleted;
GAUNTLET_TEST_IMAGE an image there that has python3 and sh and can run without root.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from gauntlet.local.devcluster.testing import running

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
SECURITY: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
POD_SECURITY: dict[str, Any] = {
    "runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip


@dataclass(frozen=True)
class Namespace:
    """A namespace of a cluster, and the few things a test does in it."""

    name: str
    api: client.CoreV1Api
    kubeconfig: Path
    image: str
    is_devcluster: bool

    def container(self, name: str = "main", command: list[str] | str = "true", **fields: Any) -> dict[str, Any]:
        """Return a container that satisfies `restricted`; a string is a shell's script."""
        argv = ["sh", "-c", command] if isinstance(command, str) else command
        base = {"name": name, "image": self.image, "imagePullPolicy": "IfNotPresent", "command": argv}
        return {**base, "securityContext": SECURITY, **fields}

    def pod(self, *containers: dict[str, Any], name: str = "", labels: dict[str, str] | None = None,
            **spec: Any) -> dict[str, Any]:  # fmt: skip
        """Return a pod that satisfies `restricted`."""
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name or f"pod-{secrets.token_hex(4)}", "labels": labels or {}},
            "spec": {
                "restartPolicy": "Never", "automountServiceAccountToken": False, "securityContext": POD_SECURITY,
                "containers": list(containers), **spec,
            },
        }  # fmt: skip

    def create(self, pod: dict[str, Any]) -> str:
        """Create a pod and return its name."""
        made: Any = self.api.create_namespaced_pod(self.name, pod)
        return str(made.metadata.name)

    def get(self, pod: str) -> dict[str, Any]:
        """Return a pod as plain data."""
        found: dict[str, Any] = self.api.api_client.sanitize_for_serialization(
            self.api.read_namespaced_pod(pod, self.name)
        )
        return found

    def until(
        self, pod: str, condition: Callable[[dict[str, Any]], Any], timeout_seconds: float = 60
    ) -> dict[str, Any]:
        """Wait until a pod satisfies a condition and return it."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            found = self.get(pod)
            if condition(found):
                return found
            assert time.monotonic() < deadline, f"pod {pod} never got there: {found['status']}"
            time.sleep(0.05)

    def ended(self, pod: dict[str, Any], timeout_seconds: float = 60) -> dict[str, Any]:
        """Create a pod, wait until it succeeded or failed, and return it."""
        name = self.create(pod)
        return self.until(name, lambda p: p["status"].get("phase") in ("Succeeded", "Failed"), timeout_seconds)

    def log(self, pod: str, **options: Any) -> str:
        """Return a container's log (the client's own decoding of it is broken in version 36)."""
        response: Any = self.api.read_namespaced_pod_log(pod, self.name, _preload_content=False, **options)
        return str(response.data.decode())

    def until_gone(self, pod: str, timeout_seconds: float = 60) -> None:
        """Wait until a pod is no more."""
        deadline = time.monotonic() + timeout_seconds
        while pod in {p.metadata.name for p in self.api.list_namespaced_pod(self.name).items}:
            assert time.monotonic() < deadline, f"pod {pod} is still there"
            time.sleep(0.05)

    def kubectl(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run kubectl in this namespace."""
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", f"--namespace={self.name}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, **options)


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of the cluster under test."""
    given = os.environ.get("GAUNTLET_TEST_KUBECONFIG")
    if given:
        yield Path(given)
        return
    with running(tmp_path_factory.mktemp("devcluster"), ["--cpu", "16", "--memory", "64Gi"]) as cluster:
        yield cluster.kubeconfig


@pytest.fixture(scope="module")
def namespace(kubeconfig: Path) -> Iterator[Namespace]:
    """A fresh namespace that enforces Pod Security `restricted`."""
    loader = config.new_client_from_config(str(kubeconfig))
    api = client.CoreV1Api(loader)
    name = f"gauntlet-test-{secrets.token_hex(4)}"
    api.create_namespace({"metadata": {"name": name, "labels": RESTRICTED}})
    image = os.environ.get("GAUNTLET_TEST_IMAGE", "gauntlet/runner-python:dev")
    devcluster = not os.environ.get("GAUNTLET_TEST_KUBECONFIG")
    _wait_for_account(api, name)
    yield Namespace(name, api, kubeconfig, image, devcluster)
    api.delete_namespace(name)
    loader.close()


def _wait_for_account(api: client.CoreV1Api, namespace: str) -> None:
    deadline = time.monotonic() + 30
    while not api.list_namespaced_service_account(namespace).items:
        assert time.monotonic() < deadline, "the namespace never got its service account"
        time.sleep(0.05)
