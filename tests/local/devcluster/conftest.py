"""One devcluster for all tests of this folder that need a running one, and ways to speak to it."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from gauntlet.local.devcluster.testing import RunningCluster, running

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A devcluster with 4 cores and 8 GiB, whatever the machine has."""
    with running(tmp_path_factory.mktemp("devcluster"), ["--cpu", "4", "--memory", "8Gi"]) as found:
        yield found


@pytest.fixture(scope="session")
def api(cluster: RunningCluster) -> Iterator[client.CoreV1Api]:
    """The official synchronous client."""
    connection = config.new_client_from_config(str(cluster.kubeconfig))
    yield client.CoreV1Api(connection)
    connection.close()


@pytest.fixture
def namespace(api: client.CoreV1Api) -> Iterator[str]:
    """A fresh namespace's name."""
    name = f"test-{secrets.token_hex(4)}"
    api.create_namespace({"metadata": {"name": name}})
    yield name
    api.delete_namespace(name)


@pytest.fixture
def kubectl(cluster: RunningCluster, namespace: str, tmp_path: Path) -> Kubectl:
    """Run the real kubectl in the fresh namespace."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", f"--kubeconfig={cluster.kubeconfig}", f"--cache-dir={tmp_path}", f"-n={namespace}"]
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
        )

    return run
