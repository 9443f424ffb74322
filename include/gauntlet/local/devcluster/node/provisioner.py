"""Binds claims at once: to the volume they name, else to a fresh folder of the state directory.

A client of the API like the rest of the node. A folder made for a claim goes when its claim goes.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

import aiohttp

from gauntlet.local.devcluster.node.client import MERGE, ApiRefusalError, Client, Object, object_path
from gauntlet.local.devcluster.node.events import EventRecorder

PROVISIONER = "devcluster/folder"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_log = logging.getLogger(__name__)


class Provisioner:
    """Watches claims and volumes."""

    def __init__(self, client: Client, events: EventRecorder, folder: Path) -> None:
        """Take the folder below which claims get theirs: NAMESPACE/NAME."""
        self._client = client
        self._events = events
        self._folder = folder
        self._claims: dict[str, Object] = {}
        self._volumes: dict[str, Object] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Bind and release until cancelled."""
        await asyncio.gather(
            self._follow("/api/v1/persistentvolumeclaims", self._claims),
            self._follow("/api/v1/persistentvolumes", self._volumes),
            self._reconcile(),
        )

    async def _follow(self, path: str, cache: dict[str, Object]) -> None:
        async for kind, found in self._client.follow(path):
            if kind == "SYNC":
                cache.clear()
                cache.update({obj["metadata"]["uid"]: obj for obj in found})
            elif kind == "DELETED":
                cache.pop(found["metadata"]["uid"], None)
            else:
                cache[found["metadata"]["uid"]] = found
            self._changed.set()

    async def _reconcile(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                for claim in list(self._claims.values()):
                    if claim.get("status", {}).get("phase") != "Bound":
                        await self._bind(claim)
                for volume in list(self._volumes.values()):
                    await self._release(volume)
            except (ApiRefusalError, aiohttp.ClientError, OSError) as problem:
                _log.info("volumes are not settled yet: %s", problem)
                await asyncio.sleep(0.2)
                self._changed.set()

    async def _bind(self, claim: Object) -> None:
        name = claim["spec"].get("volumeName")
        volume = next((v for v in self._volumes.values() if v["metadata"]["name"] == name), None)
        if name and volume is None:
            return
        if volume is None:
            volume = await self._provision(claim)
        metadata = claim["metadata"]
        reference = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": metadata["namespace"],
                     "name": metadata["name"], "uid": metadata["uid"]}  # fmt: skip
        taken = volume["spec"].get("claimRef")
        if taken and (taken["namespace"], taken["name"]) != (metadata["namespace"], metadata["name"]):
            return
        volume_path = object_path("persistentvolumes", "", volume["metadata"]["name"])
        await self._client.patch(volume_path, {"spec": {"claimRef": reference}}, MERGE)
        await self._client.patch(f"{volume_path}/status", {"status": {"phase": "Bound"}}, MERGE)
        path = object_path("persistentvolumeclaims", metadata["namespace"], metadata["name"])
        await self._client.patch(path, {"spec": {"volumeName": volume["metadata"]["name"]}}, MERGE)
        status = {
            "phase": "Bound",
            "accessModes": volume["spec"]["accessModes"],
            "capacity": volume["spec"]["capacity"],
        }
        await self._client.patch(f"{path}/status", {"status": status}, MERGE)

    async def _provision(self, claim: Object) -> Object:
        metadata, spec = claim["metadata"], claim["spec"]
        folder = self._folder / metadata["namespace"] / metadata["name"]
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        volume = {
            "metadata": {"name": f"pvc-{metadata['uid']}", "annotations": {_PROVISIONED_BY: PROVISIONER}},
            "spec": {
                "accessModes": spec["accessModes"],
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "persistentVolumeReclaimPolicy": "Delete", "hostPath": {"path": str(folder)},
                **({"storageClassName": spec["storageClassName"]} if spec.get("storageClassName") else {}),
            },
        }  # fmt: skip
        self._events.record(claim, "Normal", "ProvisioningSucceeded",
                            f"Successfully provisioned volume {volume['metadata']['name']}")  # fmt: skip
        try:
            return await self._client.create("/api/v1/persistentvolumes", volume)
        except ApiRefusalError as refusal:
            if refusal.code != 409:
                raise
            return await self._client.get(f"/api/v1/persistentvolumes/pvc-{metadata['uid']}")

    async def _release(self, volume: Object) -> None:
        """Remove a folder made here once its claim is gone; anyone else's volume is only Released."""
        reference = volume["spec"].get("claimRef")
        if not reference or reference.get("uid") in self._claims:
            return
        claim = object_path("persistentvolumeclaims", reference["namespace"], reference["name"])
        try:
            if (await self._client.get(claim))["metadata"]["uid"] == reference.get("uid"):
                return
        except ApiRefusalError as refusal:
            if refusal.code != 404:
                raise
        path = object_path("persistentvolumes", "", volume["metadata"]["name"])
        made_here = (volume["metadata"].get("annotations") or {}).get(_PROVISIONED_BY) == PROVISIONER
        if made_here and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            folder = Path(volume["spec"]["hostPath"]["path"])
            if folder.is_relative_to(self._folder):
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            await self._client.delete(path)
        elif volume.get("status", {}).get("phase") != "Released":
            await self._client.patch(f"{path}/status", {"status": {"phase": "Released"}}, MERGE)
