"""The node: registers itself, watches the pods bound to it, and gives each a worker. Also serves logs and exec.

It knows the API through its client only, so it could run in a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from gauntlet.local.devcluster.api.streams import ExecOptions, LogOptions, StreamError
from gauntlet.local.devcluster.node import logs, statuses
from gauntlet.local.devcluster.node.client import ApiRefusalError, Object
from gauntlet.local.devcluster.node.exec_session import Session
from gauntlet.local.devcluster.node.node_services import NodeServices
from gauntlet.local.devcluster.node.pod_worker import PodWorker

HEARTBEAT_SECONDS = 60.0


class NodeAgent:
    """The kubelet of this node."""

    def __init__(self, node: NodeServices) -> None:
        self.node = node
        self._workers: dict[str, PodWorker] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Register the node and run its pods until cancelled."""
        await self._register()
        beat = asyncio.create_task(self._beat())
        try:
            query = {"fieldSelector": f"spec.nodeName={self.node.name}"}
            async for kind, found in self.node.client.follow("/api/v1/pods", query):
                self._take(kind, found)
        finally:
            beat.cancel()
            await self._stop_all()

    def _take(self, kind: str, found: Any) -> None:
        if kind == "SYNC":
            there = {pod["metadata"]["uid"] for pod in found}
            for uid in [uid for uid in self._workers if uid not in there]:
                self._workers[uid].vanish()
            for pod in found:
                self._see(pod)
        elif kind == "DELETED":
            worker = self._workers.get(found["metadata"]["uid"])
            if worker:
                worker.vanish()
        else:
            self._see(found)

    def _see(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self._workers:
            self._workers[uid].update(pod)
        elif pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            worker = self._workers[uid] = PodWorker(self.node, pod)
            worker.update(pod)
            task = asyncio.create_task(worker.run(), name=f"pod {pod['metadata']['name']}")
            self._tasks.add(task)
            task.add_done_callback(lambda done: self._forget(uid, done))

    def _forget(self, uid: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._workers.pop(uid, None)
        if not task.cancelled() and task.exception():
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"the worker of pod {uid} failed", "exception": task.exception(), "task": task}
            )

    async def _stop_all(self) -> None:
        """End all containers at once, and wait until they are gone."""
        for worker in self._workers.values():
            worker.vanish()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=5)
        for task in set(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _register(self) -> None:
        name = self.node.name
        body: Object = {
            "metadata": {
                "name": name,
                "labels": {
                    "kubernetes.io/hostname": name, "kubernetes.io/os": platform.system().lower(),
                    "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(
                        platform.machine(), platform.machine()
                    ),
                    "node.kubernetes.io/instance-type": "devcluster",
                },
            },
            "spec": {},
        }  # fmt: skip
        with contextlib.suppress(ApiRefusalError):
            await self.node.client.create("/api/v1/nodes", body)
        await self.node.client.patch(f"/api/v1/nodes/{name}/status", {"status": self._status()})
        node = await self.node.client.get(f"/api/v1/nodes/{name}")
        self.node.events.record(node, "Normal", "Starting", "Starting kubelet.")
        self.node.events.record(node, "Normal", "NodeReady", f"Node {name} status is now: NodeReady")

    async def _beat(self) -> None:
        """Renew the heartbeat times in the node's conditions."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with contextlib.suppress(ApiRefusalError, OSError):
                patch = {"status": {"conditions": self._conditions(transition=False)}}
                await self.node.client.patch(f"/api/v1/nodes/{self.node.name}/status", patch)

    def _conditions(self, *, transition: bool) -> list[Object]:
        now = statuses.stamp()
        good = [
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ]
        return [
            {"type": kind, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": now,
             **({"lastTransitionTime": now} if transition else {})}
            for kind, status, reason, message in good
        ]  # fmt: skip

    def _status(self) -> Object:
        return {
            "capacity": dict(self.node.allocatable), "allocatable": dict(self.node.allocatable),
            "conditions": self._conditions(transition=True),
            "addresses": [
                {"type": "InternalIP", "address": self.node.host_ip}, {"type": "Hostname", "address": self.node.name},
            ],
            "nodeInfo": {
                "kubeletVersion": "v1.34.0+devcluster", "kubeProxyVersion": "",
                "osImage": platform.platform(terse=True),
                "kernelVersion": platform.release(), "containerRuntimeVersion": "devcluster://processes",
                "operatingSystem": platform.system().lower(), "architecture": platform.machine(), "machineID": "",
                "systemUUID": "", "bootID": "",
            },
        }  # fmt: skip

    async def logs(self, pod_uid: str, options: LogOptions) -> AsyncIterator[bytes]:
        """Yield a container's log (NodeStreams)."""
        worker = self._workers.get(pod_uid)
        if worker is None:
            raise StreamError("the pod is not on this node any more")
        record = worker.records[options.container]
        restart = record.restart_count - (1 if options.previous else 0)
        path = self.node.log_path(pod_uid, options.container, restart)
        if restart < 0 or (options.previous and not path.exists()):
            raise StreamError(
                f'previous terminated container "{options.container}" in pod '
                f'"{worker.pod["metadata"]["name"]}" not found'
            )

        def lives() -> bool:
            return not options.previous and record.running and record.restart_count == restart

        async for piece in logs.read(path, options, lives):
            yield piece

    async def execute(self, pod_uid: str, options: ExecOptions, socket: web.WebSocketResponse) -> None:
        """Serve an exec (NodeStreams)."""
        worker = self._workers.get(pod_uid)
        container = worker.containers.get(options.container) if worker else None
        if container is None or not container.record.running or container.prepared is None:
            raise StreamError(f'container not found ("{options.container}")')
        await Session(socket, options).run(self.node.runtime, container.prepared)
