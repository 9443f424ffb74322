"""Waits until no pod of an execution lives, and removes those that nobody waits for any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import AsyncKubernetesHook
from airflow.triggers.base import BaseTrigger, TriggerEvent

from gauntlet.kube import pods

_LOOK_SECONDS = 0.3
# A pod that wrote its manifest is about to end by itself; one that outlives this belongs to a cancelled task.
_PATIENCE_SECONDS = 5.0


class PodsGoneTrigger(BaseTrigger):
    """Wait for the end of all pods of an execution; after a few seconds ask the remaining ones to stop.

    :param conn_id: the cluster's Airflow connection.
    :param namespace: where the pods are.
    :param execution: public id.
    """

    def __init__(self, *, conn_id: str, namespace: str, execution: str) -> None:
        super().__init__()
        self.conn_id = conn_id
        self.namespace = namespace
        self.execution = execution

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """As Airflow stores it."""
        names = ("conn_id", "namespace", "execution")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until none is left."""
        from kubernetes_asyncio.client import CoreV1Api
        from kubernetes_asyncio.client.exceptions import ApiException

        hook = AsyncKubernetesHook(conn_id=self.conn_id)
        loop = asyncio.get_running_loop()
        began = loop.time()
        stopped: set[str] = set()
        async with hook.get_conn() as client:
            api = CoreV1Api(client)
            while True:
                found = await api.list_namespaced_pod(
                    namespace=self.namespace, label_selector=pods.execution_selector(self.execution)
                )
                living = [pod.metadata.name for pod in found.items if pod.status.phase not in ("Succeeded", "Failed")]
                if not living:
                    break
                if loop.time() - began > _PATIENCE_SECONDS:
                    for name in sorted(set(living) - stopped):
                        try:
                            await api.delete_namespaced_pod(name=name, namespace=self.namespace)
                        except ApiException as error:
                            if error.status != 404:
                                raise
                        stopped.add(name)
                await asyncio.sleep(_LOOK_SECONDS)
        yield TriggerEvent({"stopped": sorted(stopped)})
