"""Questions to a cluster that operators and triggers share."""

from __future__ import annotations

from typing import Any

from gauntlet.kube import pods


def living_pods(client: Any, namespace: str, execution: str) -> list[str]:
    """Names of an execution's pods that still run or may yet.

    :param client: a ``CoreV1Api``.
    """
    found = client.list_namespaced_pod(namespace=namespace, label_selector=pods.execution_selector(execution))
    return [pod.metadata.name for pod in found.items if pod.status.phase not in ("Succeeded", "Failed")]
