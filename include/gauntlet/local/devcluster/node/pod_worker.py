"""One pod's life on the node: volumes, init containers and sidecars in order, containers, and its end.

It exists to keep the order of things in one readable place; containers run themselves (``container``), what it all
means for the status is ``statuses``' business, and the API is told by one task that coalesces changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Coroutine
from typing import Any

import aiohttp

from gauntlet.local.devcluster.node import environment, service_account, statuses, volumes
from gauntlet.local.devcluster.node.client import ApiRefusalError, Object, object_path
from gauntlet.local.devcluster.node.container import Container
from gauntlet.local.devcluster.node.node_services import NodeServices
from gauntlet.local.devcluster.node.preparation import PodFolders, prepare
from gauntlet.local.devcluster.node.statuses import Record
from gauntlet.local.devcluster.store.quantities import parse

MOUNT_RETRY_SECONDS = 1.0
SIZE_CHECK_SECONDS = 1.0
_log = logging.getLogger(__name__)


class PodWorker:
    """Runs one pod until it is gone."""

    def __init__(self, node: NodeServices, pod: Object) -> None:
        self.node = node
        self.pod = pod
        self.spec: Object = service_account.with_token(pod["spec"])
        self.uid: str = pod["metadata"]["uid"]
        self.records = {c["name"]: _record(c, init=True) for c in self.spec.get("initContainers") or []}
        self.records |= {c["name"]: _record(c, init=False) for c in self.spec["containers"]}
        self.containers: dict[str, Container] = {}
        self.folders = PodFolders(node.pod_folder(self.uid))
        self.mounted = False
        self.over = False
        self._outcome: Object = {}
        self._grace_seconds = float(self.spec.get("terminationGracePeriodSeconds", 30))
        self._stop_by = 0.0
        self._stopping = asyncio.Event()
        self._gone = asyncio.Event()
        self._changed = asyncio.Event()
        self._started = asyncio.Event()
        self._sidecars: list[asyncio.Task[None]] = []
        self._deletion_asked = False
        self._started_at = statuses.stamp()

    @property
    def inits(self) -> list[Record]:
        """The records of init containers and sidecars, in order."""
        return [record for record in self.records.values() if record.init]

    @property
    def mains(self) -> list[Record]:
        """The records of the containers proper."""
        return [record for record in self.records.values() if not record.init]

    def update(self, pod: Object) -> None:
        """Take the pod's newest version; a deletion timestamp begins its end, a shorter grace hastens it."""
        self.pod = pod
        grace = pod["metadata"].get("deletionGracePeriodSeconds")
        if pod["metadata"].get("deletionTimestamp") and (not self._deletion_asked or grace < self._grace_seconds):
            self._deletion_asked = True
            self.stop(float(grace if grace is not None else self._grace_seconds))

    def vanish(self) -> None:
        """The pod is gone from the API: end at once and tell nobody."""
        self._gone.set()
        self._deletion_asked = True
        self.stop(0.0)

    def stop(self, grace_seconds: float, reason: str = "") -> None:
        """Begin the pod's end."""
        self._grace_seconds = grace_seconds
        self._stop_by = asyncio.get_running_loop().time() + grace_seconds
        self._stopping.set()
        for container in list(self.containers.values()):
            if not container.record.sidecar or container.ending.is_set():
                container.end(grace_seconds, reason)
        self._changed.set()

    async def run(self) -> None:
        """Live, then report the end and remove what is left."""
        reporter = asyncio.create_task(self._report_changes())
        watchers = [asyncio.create_task(watcher) for watcher in self._watchers()]
        try:
            await self._live()
        except Exception:
            _log.exception("pod %s cannot go on", self.pod["metadata"]["name"])
            message = "devcluster made a mistake with this pod; its log says which"
            self._outcome = {"phase": "Failed", "reason": "NodeError", "message": message}
            self._kill_all()
        finally:
            self.over = True
            for task in (*watchers, reporter):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self._report()
        while not self._deletion_asked:
            self._changed.clear()
            await self._changed.wait()
        await self._say_goodbye()
        await asyncio.to_thread(shutil.rmtree, self.folders.root, ignore_errors=True)

    def _kill_all(self) -> None:
        for container in self.containers.values():
            if container.process is not None:
                container.process.close()

    def _watchers(self) -> list[Coroutine[Any, Any, None]]:
        found: list[Coroutine[Any, Any, None]] = []
        deadline = self.spec.get("activeDeadlineSeconds")
        if deadline:
            found.append(self._watch_deadline(float(deadline)))
        limits = {v["name"]: (v.get("emptyDir") or {}).get("sizeLimit") for v in self.spec.get("volumes") or []}
        limited = {name: int(parse(limit)) for name, limit in limits.items() if limit}
        if limited:
            found.append(self._watch_sizes(limited))
        return found

    async def _live(self) -> None:
        if not await self._mount():
            return
        if await self._initialize():
            await asyncio.gather(*(self._container(c).run() for c in self.spec["containers"]))
        await self._end_sidecars()

    def _container(self, spec: Object) -> Container:
        record = self.records[spec["name"]]
        policy = "Always" if record.sidecar else self.spec["restartPolicy"]
        if record.init and not record.sidecar and policy == "Always":
            policy = "OnFailure"

        async def ready(container: Object, its: Record, image: Any) -> Any:
            return await prepare(self.node, self.pod, container, its, image, folders=self.folders)

        container = Container(
            self.node, self.pod, spec, record, policy=policy, prepare=ready, changed=self._changed.set
        )
        self.containers[record.name] = container
        if self._stopping.is_set():
            container.end(self._grace_left())
        return container

    def _grace_left(self) -> float:
        """Return what is left of the grace period: all of it when nobody asked the pod to stop."""
        if not self._stopping.is_set():
            return self._grace_seconds
        return max(0.0, self._stop_by - asyncio.get_running_loop().time())

    async def _initialize(self) -> bool:
        """Run init containers one after the other; returns whether the containers proper may start."""
        for record in (*self.inits[1:], *self.mains) if self.inits else ():
            record.state = {"waiting": {"reason": statuses.INITIALIZING}}
        for spec in self.spec.get("initContainers") or []:
            container = self._container(spec)
            if container.record.sidecar:
                task = asyncio.create_task(container.run())
                self._sidecars.append(task)
                await self._until_started(container, task)
            else:
                await container.run()
            if self._stopping.is_set():
                return False
            if not container.record.sidecar and container.record.exit_code != 0:
                return False
        return True

    async def _until_started(self, container: Container, task: asyncio.Task[None]) -> None:
        while not (container.record.started or task.done() or self._stopping.is_set()):
            self._started.clear()
            waits = [asyncio.create_task(self._started.wait()), asyncio.create_task(self._stopping.wait()), task]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits[:2]:
                wait.cancel()

    async def _end_sidecars(self) -> None:
        """Sidecars end after the containers they serve, the last one first."""
        sidecars = [c for c in self.containers.values() if c.record.sidecar]
        for container, task in zip(reversed(sidecars), reversed(self._sidecars), strict=True):
            container.end(self._grace_left())
            await task

    async def _mount(self) -> bool:
        """Make the pod's folders and volumes; what is missing is waited for."""
        await asyncio.to_thread(self.folders.make)
        around = environment.Surroundings(self._with_address(), lambda *_: None, self.node.allocatable)
        sources = volumes.VolumeSources(self._fetch, around, self.node.pod_token)
        while not self._stopping.is_set():
            try:
                for volume in self._mounted_volumes():
                    folder = self.folders.volumes / volume["name"]
                    self.folders.places[volume["name"]] = await volumes.make_volume(volume, folder, sources)
                self.mounted = True
                return True
            except (volumes.MountError, OSError) as problem:
                self.node.events.record(self.pod, "Warning", "FailedMount", str(problem))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), MOUNT_RETRY_SECONDS)
        return False

    def _mounted_volumes(self) -> list[Object]:
        """Return the volumes a container mounts; a kubelet does not touch the others."""
        containers = [*(self.spec.get("initContainers") or []), *self.spec["containers"]]
        mounted = {mount["name"] for c in containers for mount in c.get("volumeMounts") or []}
        return [volume for volume in self.spec.get("volumes") or [] if volume["name"] in mounted]

    async def _fetch(self, kind: str, name: str) -> Object | None:
        return await self.node.fetch(self.pod["metadata"]["namespace"], kind, name)

    def _with_address(self) -> Object:
        status = {**self.pod.get("status", {}), "hostIP": self.node.host_ip, "podIP": self.node.host_ip}
        return {**self.pod, "status": status}

    async def _watch_deadline(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        message = "Pod was active on the node longer than the specified deadline"
        self._outcome = {"phase": "Failed", "reason": "DeadlineExceeded", "message": message}
        self.node.events.record(self.pod, "Normal", "DeadlineExceeded", message)
        self.stop(float(self.spec.get("terminationGracePeriodSeconds", 30)))

    async def _watch_sizes(self, limits: dict[str, int]) -> None:
        while True:
            await asyncio.sleep(SIZE_CHECK_SECONDS)
            for name, limit in limits.items():
                size = await asyncio.to_thread(volumes.folder_size_bytes, self.folders.volumes / name)
                if size > limit:
                    shown = next(v["emptyDir"]["sizeLimit"] for v in self.spec["volumes"] if v["name"] == name)
                    message = f'Usage of EmptyDir volume "{name}" exceeds the limit "{shown}". '
                    self._outcome = {"phase": "Failed", "reason": "Evicted", "message": message}
                    self.node.events.record(self.pod, "Warning", "Evicted", message)
                    self.stop(0.0)
                    return

    def status(self) -> Object:
        """Return the pod's status as it is now."""
        inits, mains = self.inits, self.mains
        phase = self._outcome.get("phase") if self.over else None
        if phase is None:
            phase = statuses.phase(self.spec, inits, mains)
            if self.over and self._stopping.is_set():
                phase = statuses.final_phase(mains, inits)
        before = self.pod.get("status", {}).get("conditions") or []
        found: Object = {
            "phase": phase,
            "conditions": statuses.conditions(self.spec, phase, inits, mains, before, sandbox=self.mounted),
            "hostIP": self.node.host_ip, "hostIPs": [{"ip": self.node.host_ip}],
            "startTime": self._started_at,
            "containerStatuses": [r.status(self._resources(r)) for r in sorted(mains, key=lambda r: r.name)],
        }  # fmt: skip
        if self.mounted:
            found |= {"podIP": self.node.host_ip, "podIPs": [{"ip": self.node.host_ip}]}
        if inits:
            found["initContainerStatuses"] = [_init_status(r, self._resources(r)) for r in inits]
        # Whoever sees the pod ended must see why at once, also before the worker has done with it.
        if self._outcome and (self.over or phase in ("Failed", "Succeeded")):
            found |= self._outcome
        return found

    def _resources(self, record: Record) -> Object | None:
        containers = [*(self.spec.get("initContainers") or []), *self.spec["containers"]]
        return next((c.get("resources") for c in containers if c["name"] == record.name), None)

    async def _report_changes(self) -> None:
        """Tell the API about changes, the newest state only."""
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._started.set()
            await self._report()

    async def _report(self) -> None:
        if self._gone.is_set():
            return
        metadata = self.pod["metadata"]
        path = object_path("pods", metadata["namespace"], metadata["name"]) + "/status"
        patch = {"metadata": {"uid": self.uid}, "status": self.status()}
        try:
            answer = await self.node.client.patch(path, patch)
            self.pod = {**self.pod, "status": answer["status"]}
        except (ApiRefusalError, aiohttp.ClientError) as problem:
            _log.info("status of pod %s was not written: %s", metadata["name"], problem)

    async def _say_goodbye(self) -> None:
        """The last step of a graceful deletion: the API forgets the pod."""
        if self._gone.is_set():
            return
        metadata = self.pod["metadata"]
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        with contextlib.suppress(ApiRefusalError, aiohttp.ClientError):
            await self.node.client.delete(object_path("pods", metadata["namespace"], metadata["name"]), options)


def _record(spec: Object, *, init: bool) -> Record:
    sidecar = init and spec.get("restartPolicy") == "Always"
    return Record(spec["name"], spec["image"], init=init, sidecar=sidecar)


def _init_status(record: Record, resources: Object | None) -> Object:
    """An init container that ran to its end is ready, as strange as that sounds."""
    found = record.status(resources)
    if not record.sidecar:
        found["ready"] = record.exit_code == 0
    return found
