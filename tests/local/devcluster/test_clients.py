"""The asynchronous client, which Airflow's triggerer uses, and exec through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.stream import WsApiClient

from gauntlet.local.devcluster.testing import RunningCluster

POD = {
    "metadata": {"name": "p"},
    "spec": {
        "restartPolicy": "Never",
        "containers": [{"name": "c", "image": "busybox", "command": ["sh", "-c", "echo log; sleep 30"]}],
    },
}


@pytest.fixture
async def asynchronous(cluster: RunningCluster) -> AsyncIterator[client.CoreV1Api]:
    async with await config.new_client_from_config(str(cluster.kubeconfig)) as connection:
        yield client.CoreV1Api(connection)


async def test_a_pod_is_watched_and_deleted(asynchronous: client.CoreV1Api, namespace: str) -> None:
    listed = await asynchronous.list_namespaced_pod(namespace)
    since = listed.metadata.resource_version
    await asynchronous.create_namespaced_pod(namespace, POD)
    seen: list[str] = []
    async with asyncio.timeout(30), watch.Watch() as watcher:
        async for event in watcher.stream(asynchronous.list_namespaced_pod, namespace, resource_version=since):
            phase = event["object"].status.phase
            seen.append(f"{event['type']} {phase}")
            if phase == "Running" and event["type"] == "MODIFIED" and not event["object"].metadata.deletion_timestamp:
                await asynchronous.delete_namespaced_pod("p", namespace, grace_period_seconds=0)
            if event["type"] == "DELETED":
                break
    assert seen[0] == "ADDED Pending"
    assert "MODIFIED Running" in seen


async def test_a_watch_of_a_lost_version_fails_with_410(asynchronous: client.CoreV1Api, namespace: str) -> None:
    async with watch.Watch() as watcher:
        events = watcher.stream(asynchronous.list_namespaced_pod, namespace, resource_version="1")
        with pytest.raises(client.ApiException) as refusal:
            await anext(events)
    assert refusal.value.status == 410


async def test_exec_over_a_websocket(asynchronous: client.CoreV1Api, cluster: RunningCluster, namespace: str) -> None:
    await asynchronous.create_namespaced_pod(namespace, POD)
    async with asyncio.timeout(30), watch.Watch() as watcher:
        async for event in watcher.stream(asynchronous.list_namespaced_pod, namespace):
            if event["object"].status.phase == "Running":
                break
    configuration = client.Configuration()
    await config.load_kube_config(str(cluster.kubeconfig), client_configuration=configuration)
    async with WsApiClient(configuration) as connection:
        output = await client.CoreV1Api(connection).connect_get_namespaced_pod_exec(
            "p", namespace, command=["sh", "-c", "echo through"], stdin=False, stdout=True, stderr=True, tty=False
        )
    assert output == "through\n"
    await asynchronous.delete_namespaced_pod("p", namespace, grace_period_seconds=0)
