"""Waits for one attempt's end: watches its pod, reads its manifest and heartbeat, names the cause of its death.

One Kubernetes client and one watch per attempt; a watch that breaks is begun again, because an API server that
restarts says nothing about a pod.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import AsyncKubernetesHook
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from gauntlet.kube import causes
from gauntlet.kube.attempts import Ended, Limits, Observation, judge
from gauntlet.kube.causes import Death
from gauntlet.testing.lifecycle import attempts, memory

# How long one watch lasts at most; between two the manifest and the heartbeat are looked at.
_WATCH_SECONDS = 5
_TROUBLE_SECONDS = 2.0


class AttemptTrigger(BaseTrigger):
    """Wait until an attempt has ended.

    Ends the task by itself when the manifest is there; hands a death to the worker, where it becomes an exception.

    :param conn_id: the cluster's Airflow connection.
    :param namespace: of the pod.
    :param pod: its name.
    :param execution: public id.
    :param shard: index from 0; -1 for the inventory.
    :param attempt: from 1.
    :param since: the pod's resource version when it was created.
    :param start_timeout_seconds: how long the pod may stay Pending.
    :param silence_seconds: how long a running pod may give no sign of life.
    """

    def __init__(
        self,
        *,
        conn_id: str,
        namespace: str,
        pod: str,
        execution: str,
        shard: int,
        attempt: int,
        since: str,
        start_timeout_seconds: float,
        silence_seconds: float,
    ) -> None:
        super().__init__()
        self.conn_id = conn_id
        self.namespace = namespace
        self.pod = pod
        self.execution = execution
        self.shard = shard
        self.attempt = attempt
        self.since = since
        self._since = since
        self.start_timeout_seconds = start_timeout_seconds
        self.silence_seconds = silence_seconds
        self._began = time.monotonic()
        self._last: dict[str, Any] | None = None
        self._heartbeat = ""
        self._heartbeat_seen = self._began

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """As Airflow stores it."""
        names = ("conn_id", "namespace", "pod", "execution", "shard", "attempt", "since")
        limits = ("start_timeout_seconds", "silence_seconds")
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            name: getattr(self, name) for name in (*names, *limits)
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Watch until it is over."""
        async for pod in self._pods():
            ended = await self._look(pod)
            if ended is None:
                continue
            if ended.death is None:
                yield TaskSuccessEvent()
            else:
                yield TriggerEvent(event_of_pod(ended.death, self.namespace, self.pod, self._last))
            return

    async def on_kill(self) -> None:
        """Somebody failed, cleared or cancelled the task: its pod gets its grace period and goes."""
        hook = AsyncKubernetesHook(conn_id=self.conn_id)
        await hook.delete_pod(name=self.pod, namespace=self.namespace)

    async def _look(self, pod: dict[str, Any] | None) -> Ended | None:
        manifest, heartbeat = await asyncio.to_thread(attempts.look, self.execution, self.shard, self.attempt)
        now = time.monotonic()
        self._last = pod or self._last
        running = pod is not None and causes.phase(pod) == "Running"
        # Ages are measured by what this process saw change, so that clocks of nodes need not agree.
        if heartbeat != self._heartbeat or not running:
            self._heartbeat, self._heartbeat_seen = heartbeat, now
        pending = pod is not None and causes.phase(pod) == "Pending"
        ended = judge(
            Observation(
                pod=pod,
                last=self._last,
                manifest_state=manifest.state if manifest else None,
                pending_seconds=now - self._began if pending else 0.0,
                silent_seconds=now - self._heartbeat_seen,
            ),
            Limits(self.start_timeout_seconds, self.silence_seconds),
        )
        return memory.reconsider(ended, manifest, pod)

    async def _pods(self) -> AsyncIterator[dict[str, Any] | None]:
        """The pod whenever it changes, and at least every few seconds; None when it is gone."""
        from kubernetes_asyncio.client.exceptions import ApiException

        hook = AsyncKubernetesHook(conn_id=self.conn_id)
        while True:
            try:
                async with hook.get_conn() as client:
                    async for pod in self._watched(client):
                        yield pod
            except (TimeoutError, ApiException, OSError) as error:
                self.log.warning("the cluster does not answer (%s); trying again", error)
                await asyncio.sleep(_TROUBLE_SECONDS)
            except Exception as error:
                # aiohttp's errors derive from Exception only; anything else is ours and must be seen.
                if not type(error).__module__.startswith("aiohttp"):
                    raise
                self.log.warning("the connection to the cluster broke (%s); trying again", error)
                await asyncio.sleep(_TROUBLE_SECONDS)

    async def _watched(self, client: Any) -> AsyncIterator[dict[str, Any] | None]:
        from kubernetes_asyncio.client import CoreV1Api
        from kubernetes_asyncio.watch import Watch

        api = CoreV1Api(client)
        selector = f"metadata.name={self.pod}"
        # From the pod's creation on, so that one that was gone before this trigger began still tells why. Used once:
        # after a restart the API server may have forgotten what happened since then.
        version, self._since = self._since, ""
        while True:
            if not version:
                listed = await api.list_namespaced_pod(self.namespace, field_selector=selector)
                plain = client.sanitize_for_serialization(listed)
                items = plain.get("items") or []
                yield items[0] if items else None
                version = plain["metadata"]["resourceVersion"]
            async with Watch() as watch:
                stream = watch.stream(
                    api.list_namespaced_pod,
                    self.namespace,
                    field_selector=selector,
                    resource_version=version,
                    timeout_seconds=_WATCH_SECONDS,
                )
                async for event in stream:
                    if event["type"] == "DELETED":
                        # Its last words say who deleted it.
                        self._last = event["raw_object"]
                        yield None
                    else:
                        yield event["raw_object"]
            version = ""


def event_of_pod(death: Death, namespace: str, name: str, last: dict[str, Any] | None) -> dict[str, str]:
    """A death as the operator takes it."""
    return {
        "cause": death.cause.value,
        "message": death.message,
        "namespace": namespace,
        "pod": name,
        "node": causes.node(last) if last else "",
    }
