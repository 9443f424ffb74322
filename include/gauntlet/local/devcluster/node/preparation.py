"""From a container's specification to a command that can be started: environment, folders, rewritten paths."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from gauntlet.local.devcluster.node import service_account, volumes
from gauntlet.local.devcluster.node.client import Object
from gauntlet.local.devcluster.node.container import Prepared
from gauntlet.local.devcluster.node.environment import ConfigError, Surroundings, environment, expand
from gauntlet.local.devcluster.node.images import Image
from gauntlet.local.devcluster.node.node_services import NodeServices
from gauntlet.local.devcluster.node.resources import memory_limit_bytes
from gauntlet.local.devcluster.node.rewriting import Rewriter, volume_variable
from gauntlet.local.devcluster.node.runtime import Command
from gauntlet.local.devcluster.node.statuses import Record

MARKER = "GAUNTLET_DEVCLUSTER_CONTAINER"
TERMINATION_LOG = "/dev/termination-log"


@dataclass
class PodFolders:
    """A pod's place on disk; `places` is where each volume is, once it is made."""

    root: Path
    places: dict[str, Path] = field(default_factory=dict)

    @property
    def volumes(self) -> Path:
        """The folder of volumes that live and die with the pod."""
        return self.root / "volumes"

    def make(self) -> None:
        """Create the folders."""
        for name in ("volumes", "logs", "containers"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def of_container(self, name: str) -> Path:
        """Return a container's own folder, with its home, its temporary files and its termination message."""
        folder = self.root / "containers" / name
        for part in ("home", "tmp"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        message = folder / "termination-log"
        message.write_bytes(b"")
        return folder


async def prepare(
    node: NodeServices, pod: Object, container: Object, record: Record, image: Image, *, folders: PodFolders
) -> Prepared:
    """Return what starts one instance of a container. Raises ConfigError."""
    metadata = pod["metadata"]
    known = await node.references(metadata["namespace"], container)
    status = {**pod.get("status", {}), "hostIP": node.host_ip, "podIP": node.host_ip}
    around = Surroundings({**pod, "status": status}, lambda kind, name: known.get((kind, name)), node.allocatable)
    given = environment(container, around)
    own = await asyncio.to_thread(folders.of_container, container["name"])
    try:
        mounts = await asyncio.to_thread(_mounts, container, folders, given)
    except volumes.MountError as problem:
        raise ConfigError(str(problem)) from None
    temporary = mounts.get("/tmp", own / "tmp")  # noqa: S108
    message_path = container.get("terminationMessagePath") or TERMINATION_LOG
    rewriter = Rewriter({**mounts, message_path: own / "termination-log"})
    asked = container.get("workingDir")
    folder = rewriter.text(asked) if asked else image.workdir or str(own / "home")
    variables = {
        "PATH": image.path, "HOSTNAME": metadata["name"], "HOME": str(own / "home"), "TMPDIR": str(temporary),
        **node.network_environment, **image.env,
        **service_account.environment(pod["spec"], node.host_ip, node.api_port),
        **{volume_variable(name): str(place) for name, place in folders.places.items()},
        "DEVCLUSTER_TERMINATION_LOG": str(own / "termination-log"),
        **{name: rewriter.text(value) for name, value in given.items()},
        MARKER: f"{node.marker}/{metadata['uid']}/{container['name']}",
    }  # fmt: skip
    argv = [rewriter.text(part) for part in _argv(container, image, given)]
    if not argv:
        raise ConfigError(f"no command specified for container {container['name']}: image {record.image} has none")
    await asyncio.to_thread(_make_folder, folder, own)
    log = node.log_path(metadata["uid"], container["name"], record.restart_count)
    command = Command(argv, variables, folder, log=log, memory_limit_bytes=memory_limit_bytes(container))
    return Prepared(command, own / "termination-log", rewriter)


def _argv(container: Object, image: Image, given: dict[str, str]) -> list[str]:
    """Combine command and args with the image's own, as container runtimes do."""
    command = [expand(part, given) for part in container.get("command") or []]
    args = [expand(part, given) for part in container.get("args") or []]
    if command:
        return [*command, *args]
    return [*image.entrypoint, *(args or image.command)]


def _mounts(container: Object, folders: PodFolders, given: dict[str, str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for mount in container.get("volumeMounts") or []:
        sub_path = mount.get("subPath") or expand(mount.get("subPathExpr") or "", given)
        found[mount["mountPath"]] = volumes.mount_target(mount, folders.places[mount["name"]], sub_path)
    return found


def _make_folder(folder: str, own: Path) -> None:
    """A working directory that is not there is made, but only below the pod's own folders."""
    path = Path(folder)
    if path.is_relative_to(own.parent.parent):
        path.mkdir(parents=True, exist_ok=True)
