"""Questions to a cluster that operators and triggers share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from urllib3.exceptions import HTTPError

from gauntlet.kube import pods

_OVER = ("Succeeded", "Failed")


def at_work(client: Any, namespace: str, execution: str, shard: int) -> Any | None:
    """The pod of a shard that runs or may yet, and that nobody has told to stop.

    :param client: a ``CoreV1Api``.
    :param shard: index from 0; -1 for the inventory.
    """
    part = f"{pods.SHARD_LABEL}={shard}" if shard >= 0 else f"!{pods.SHARD_LABEL}"
    found = client.list_namespaced_pod(
        namespace=namespace, label_selector=f"{pods.execution_selector(execution)},{part}"
    )
    for pod in found.items:
        if pod.status.phase not in _OVER and pod.metadata.deletion_timestamp is None:
            return pod
    return None


def living_pods(client: Any, namespace: str, execution: str) -> list[str]:
    """Names of an execution's pods that still run or may yet.

    :param client: a ``CoreV1Api``.
    """
    found = client.list_namespaced_pod(namespace=namespace, label_selector=pods.execution_selector(execution))
    return [pod.metadata.name for pod in found.items if pod.status.phase not in _OVER]


def stop(client: Any, namespace: str, name: str) -> None:
    """Delete a pod that still runs or may yet; a finished one stays for kubectl.

    :param client: a ``CoreV1Api``.
    """
    from kubernetes.client.exceptions import ApiException

    try:
        if client.read_namespaced_pod(name, namespace).status.phase not in _OVER:
            client.delete_namespaced_pod(name, namespace)
    except ApiException as error:
        if error.status != 404:
            raise


def watch_briefly(client: Any, pod: Any, seconds: int) -> Iterator[dict[str, Any]]:
    """What becomes of a pod from its creation on, as plain JSON, for a few seconds at most.

    Ends early when the pod is gone or the watch breaks: whoever takes over looks for itself.

    :param client: a ``CoreV1Api``.
    """
    from kubernetes.client.exceptions import ApiException
    from kubernetes.watch import Watch

    if seconds <= 0:
        return
    try:
        for event in Watch().stream(
            client.list_namespaced_pod,
            pod.metadata.namespace,
            field_selector=f"metadata.name={pod.metadata.name}",
            resource_version=pod.metadata.resource_version,
            timeout_seconds=seconds,
        ):
            if event["type"] == "DELETED":
                return
            yield event["raw_object"]
    except (ApiException, HTTPError):
        return
