"""Puts a pod's volumes on disk: folders and files that stand in for what would be mounted.

Contents of config maps, secrets and the downward API are written when the pod starts and stay as they were.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from gauntlet.local.devcluster.node.environment import ConfigError, Surroundings, data_of, field, resource

Object: TypeAlias = dict[str, Any]
Fetch: TypeAlias = Callable[[str, str], Awaitable[Object | None]]


class MountError(Exception):
    """A volume cannot be made (yet); the message is kubelet's FailedMount."""


@dataclass(frozen=True)
class VolumeSources:
    """What volumes are made of: `fetch(kind, name)` reads an object of the pod's namespace or cluster-wide."""

    fetch: Fetch
    around: Surroundings
    token: str


async def make_volume(volume: Object, folder: Path, sources: VolumeSources) -> Path:
    """Make a volume and return where it is. Raises MountError.

    Args:
        volume: an entry of the pod's `spec.volumes`.
        folder: where the volume may be put; not yet there.
        sources: where contents come from.
    """
    if "hostPath" in volume:
        return await asyncio.to_thread(_host_path, volume)
    if "persistentVolumeClaim" in volume:
        return await _claimed(volume, sources)
    files = dict[str, tuple[bytes, int]]()
    for source in _projections(volume):
        try:
            files |= await _contents(source, sources)
        except ConfigError as problem:
            raise MountError(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {problem}') from None
    await asyncio.to_thread(_write, folder, files)
    return folder


def _projections(volume: Object) -> Iterator[Object]:
    """Every source of files as a projection, whichever way the volume spells it."""
    for kind, name in (("configMap", "name"), ("secret", "secretName"), ("downwardAPI", "")):
        if kind in volume:
            source = volume[kind] or {}
            yield {kind: {**source, "name": source.get(name), "mode": source.get("defaultMode", 0o644)}}
    projected = volume.get("projected") or {}
    for projection in projected.get("sources") or []:
        for kind, source in projection.items():
            yield {kind: {**source, "mode": projected.get("defaultMode", 0o644)}}


async def _contents(projection: Object, sources: VolumeSources) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and mode of each file of a projection, by relative path."""
    kind, source = next(iter(projection.items()))
    mode = source["mode"]
    if kind == "serviceAccountToken":
        return {source["path"]: (sources.token.encode(), mode)}
    if kind == "downwardAPI":
        return {item["path"]: (_downward(item, sources.around).encode(), item.get("mode", mode))
                for item in source.get("items") or []}  # fmt: skip
    object_kind = "Secret" if kind == "secret" else "ConfigMap"
    found = await sources.fetch(object_kind, source.get("name") or "")
    if found is None:
        if source.get("optional"):
            return {}
        raise ConfigError(f'{object_kind.lower()} "{source.get("name")}" not found')
    data = data_of(found, object_kind)
    if not source.get("items"):
        return {key: (value, mode) for key, value in data.items()}
    missing = [item["key"] for item in source["items"] if item["key"] not in data]
    if missing and not source.get("optional"):
        raise ConfigError(f"references non-existent {object_kind.lower()} key: {', '.join(missing)}")
    return {item["path"]: (data[item["key"]], item.get("mode") or mode)
            for item in source["items"] if item["key"] in data}  # fmt: skip


def _downward(item: Object, around: Surroundings) -> str:
    if "fieldRef" in item:
        return field(around.pod, item["fieldRef"]["fieldPath"])
    return resource(item["resourceFieldRef"], around.pod["spec"]["containers"][0], around)


def _write(folder: Path, files: dict[str, tuple[bytes, int]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for relative, (data, mode) in files.items():
        if ".." in Path(relative).parts or Path(relative).is_absolute():
            raise MountError(f"the path {relative!r} of a volume's file leaves the volume")
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        target.chmod(mode)


def _host_path(volume: Object) -> Path:
    source = volume["hostPath"]
    path, kind = Path(source["path"]), source.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch(exist_ok=True)
    checks = {"Directory": path.is_dir, "File": path.is_file, "Socket": path.is_socket}
    if kind in checks and not checks[kind]():
        problem = f"hostPath type check failed: {path} is not a {kind.lower()}"
        raise MountError(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {problem}')
    return path


async def _claimed(volume: Object, sources: VolumeSources) -> Path:
    name = volume["persistentVolumeClaim"]["claimName"]
    claim = await sources.fetch("PersistentVolumeClaim", name)
    if claim is None:
        raise MountError(f'persistentvolumeclaim "{name}" not found')
    bound = claim["spec"].get("volumeName") if claim.get("status", {}).get("phase") == "Bound" else None
    persistent = await sources.fetch("PersistentVolume", bound) if bound else None
    if persistent is None:
        raise MountError(f'persistentvolumeclaim "{name}" is not bound')
    spec = persistent["spec"]
    path = Path((spec.get("hostPath") or spec.get("local"))["path"])
    await asyncio.to_thread(path.mkdir, parents=True, exist_ok=True)
    return path


def mount_target(mount: Object, folder: Path, sub_path: str) -> Path:
    """Return the host's folder or file for one mount; a sub path that is not there yet becomes a folder.

    Raises:
        MountError: when a sub path leads out of the volume, also through a symbolic link.
    """
    if not sub_path:
        return folder
    target = folder / sub_path
    if not target.resolve().is_relative_to(folder.resolve()):
        raise MountError(f'the sub path {sub_path!r} of volume "{mount["name"]}" leads out of the volume')
    if not target.exists():
        target.mkdir(parents=True)
    return target


def folder_size_bytes(folder: Path) -> int:
    """Return the size of all files below a folder."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).lstat().st_size
            except OSError:
                continue
    return total
