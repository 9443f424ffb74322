"""Records events like a kubelet or scheduler does: in order, in the background, repeats counted.

An event that cannot be written is dropped with a line in the log; nothing waits for events.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any

import aiohttp

from gauntlet.local.devcluster.node.client import MERGE, ApiRefusalError, Client, Object, object_path

_log = logging.getLogger(__name__)


class EventRecorder:
    """Writes the events of one component ("kubelet", "default-scheduler")."""

    REMEMBERED = 2_000

    def __init__(self, client: Client, component: str, host: str = "") -> None:
        self._client = client
        self._component = component
        self._source = {"component": component, **({"host": host} if host else {})}
        self._host = host
        self._queue: asyncio.Queue[Object] = asyncio.Queue()
        self._written: dict[tuple[str, ...], tuple[str, int]] = {}

    def record(self, obj: Object, kind: str, reason: str, message: str, field_path: str = "") -> None:
        """Queue an event about a pod, node or claim.

        Args:
            obj: what it is about.
            kind: "Normal" or "Warning".
            reason: one CamelCase word.
            message: a sentence for people.
            field_path: the part of the object, such as ``spec.containers{main}``.
        """
        metadata = obj["metadata"]
        reference = {
            "kind": obj.get("kind", "Pod"), "apiVersion": obj.get("apiVersion", "v1"),
            "namespace": metadata.get("namespace", ""), "name": metadata["name"], "uid": metadata.get("uid", ""),
            "resourceVersion": metadata.get("resourceVersion", ""), **({"fieldPath": field_path} if field_path else {}),
        }  # fmt: skip
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._queue.put_nowait({
            "metadata": {"name": f"{metadata['name'][:230]}.{time.time_ns():x}",
                         "namespace": metadata.get("namespace") or "default"},
            "involvedObject": reference, "reason": reason, "message": message[:1024], "type": kind,
            "source": self._source, "firstTimestamp": now, "lastTimestamp": now, "count": 1,
            "reportingComponent": self._component, "reportingInstance": self._host,
        })  # fmt: skip

    async def run(self) -> None:
        """Write queued events until cancelled."""
        while True:
            event = await self._queue.get()
            try:
                await self._write(event)
            except (aiohttp.ClientError, ApiRefusalError) as problem:
                _log.debug("event %s was not written: %s", event["reason"], problem)

    async def _write(self, event: dict[str, Any]) -> None:
        involved = event["involvedObject"]
        key = (involved["uid"], involved.get("fieldPath", ""), event["reason"], event["message"])
        namespace = event["metadata"]["namespace"]
        name, count = self._written.get(key, ("", 0))
        if name:
            repeat = {"count": count + 1, "lastTimestamp": event["lastTimestamp"]}
            try:
                await self._client.patch(object_path("events", namespace, name), repeat, MERGE)
                self._written[key] = (name, count + 1)
                return
            except ApiRefusalError as refusal:
                if refusal.code != 404:
                    raise
        await self._client.create(object_path("events", namespace), event)
        self._written[key] = (event["metadata"]["name"], 1)
        if len(self._written) > self.REMEMBERED:
            del self._written[next(iter(self._written))]
