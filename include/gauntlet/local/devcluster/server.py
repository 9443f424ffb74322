"""Puts the three rooms together and runs them in one process: store, API, node.

The only module that knows all of them. It also owns the state directory: its lock, its leftovers, its kubeconfig.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

from aiohttp import web

from gauntlet.local.devcluster import credentials, listener
from gauntlet.local.devcluster.api import schema
from gauntlet.local.devcluster.api.app import create_app
from gauntlet.local.devcluster.api.kinds import BY_RESOURCE
from gauntlet.local.devcluster.api.registry import Registry, WriteOptions
from gauntlet.local.devcluster.node import images
from gauntlet.local.devcluster.node.agent import NodeAgent
from gauntlet.local.devcluster.node.client import Client
from gauntlet.local.devcluster.node.events import EventRecorder
from gauntlet.local.devcluster.node.node_services import NodeServices, network_environment
from gauntlet.local.devcluster.node.preparation import MARKER
from gauntlet.local.devcluster.node.provisioner import Provisioner
from gauntlet.local.devcluster.node.runtime import Runtime
from gauntlet.local.devcluster.node.scheduler import Scheduler
from gauntlet.local.devcluster.store.objects import ObjectStore
from gauntlet.local.devcluster.store.quantities import cpu_text, memory_text

NODE_NAME = "devcluster"
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
EVENT_SECONDS = 3600.0
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")
_log = logging.getLogger(__name__)


class StartupError(Exception):
    """devcluster cannot start; the message says why and what to do."""


@dataclass(frozen=True)
class Options:
    """How to serve: port 0 chooses a free one; cpu and memory None are the machine's."""

    state_dir: Path
    port: int
    cpu_cores: Fraction | None = None
    memory_bytes: int | None = None
    pods: int = 300
    catalogue: Sequence[Path] = ()


def allocatable(options: Options) -> dict[str, str]:
    """Return what the node offers, as quantities."""
    import psutil

    cores = options.cpu_cores if options.cpu_cores is not None else Fraction(os.cpu_count() or 1)
    memory = options.memory_bytes if options.memory_bytes is not None else psutil.virtual_memory().total
    return {
        "cpu": cpu_text(cores), "memory": memory_text(memory), "pods": str(options.pods),
        "ephemeral-storage": memory_text(shutil.disk_usage(options.state_dir).total),
    }  # fmt: skip


@contextlib.contextmanager
def locked(state_dir: Path) -> Iterator[None]:
    """Hold the state directory for this process alone. Raises StartupError when another one has it."""
    lock: IO[str]
    with (state_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartupError(
                f"another devcluster uses {state_dir}; stop it, or give this one another --state-dir"
            ) from None
        yield


def private_folder() -> Path:
    """Return a folder of one's own in the temporary folder. Raises StartupError when somebody else has made it."""
    home = Path(tempfile.gettempdir()) / f"devcluster-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.is_symlink() or home.stat().st_uid != os.getuid():
        raise StartupError(f"{home} belongs to someone else; remove it or set TMPDIR")
    return home


def pods_dir(state_dir: Path) -> Path:
    """Return where pods work: outside of the state directory, which may lie in a checkout.

    Tools look for their configuration in all folders above the one they run in; in a container there is nothing above.
    """
    return private_folder() / f"{marker_of(state_dir)}-pods"


def working_dir(state_dir: Path) -> Path:
    """Return a path to the state directory that needs no quoting in a shell.

    Mount paths are replaced by folders below it in people's shell commands, so blanks and the like in it would break
    them. Such a directory is reached through a symbolic link of one's own in the temporary folder.
    """
    if set(str(state_dir)) <= _SAFE:
        return state_dir
    home, digest = private_folder(), marker_of(state_dir)
    link = home / digest
    if link.is_symlink():
        link.unlink()
    link.symlink_to(state_dir)
    return link


def marker_of(state_dir: Path) -> str:
    """Return what marks this state directory's containers in their environment."""
    return hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:16]


def sweep(marker: str) -> int:
    """Kill whatever an earlier devcluster of this state directory left alive; returns how many.

    Shims see to that themselves. This is for the day somebody kills devcluster, keeper and shims all at once.
    """
    import psutil

    killed = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARKER, "").startswith(f"{marker}/"):
                process.kill()
                killed += 1
    return killed


async def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT, then end all containers. Raises StartupError."""
    os.umask(0o077)
    options.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    state_dir = options.state_dir.resolve()
    with locked(state_dir):
        swept = sweep(marker_of(state_dir))
        if swept:
            _log.warning("killed %d processes that an earlier devcluster left", swept)
        shutil.rmtree(pods_dir(state_dir), ignore_errors=True)
        try:
            await Cluster(options, state_dir).run()
        finally:
            shutil.rmtree(pods_dir(state_dir), ignore_errors=True)


class Cluster:
    """A running devcluster."""

    def __init__(self, options: Options, state_dir: Path) -> None:
        self._options = options
        self._state_dir = state_dir
        self._ending = asyncio.Event()
        self._tokens = {name: secrets.token_hex(32) for name in ("node", "pods")}

    async def run(self) -> None:
        """Serve to the end."""
        options, credential = self._options, credentials.load(self._state_dir)
        try:
            catalogue = images.load(options.catalogue)
            listening = listener.open_socket(credentials.HOST, options.port)
        except images.CatalogueError as problem:
            raise StartupError(str(problem)) from None
        except OSError as problem:
            raise StartupError(
                f"port {options.port} of {credentials.HOST} cannot be used ({problem.strerror}); give another --port"
            ) from None
        port = listening.getsockname()[1]
        store = ObjectStore(first_version=int(time.time() * 1000))
        registry = Registry(store, credential.certificate.read_text())
        runtime = Runtime()
        await runtime.start()
        client = Client(f"http://{credentials.HOST}:{port}", self._tokens["node"], "devcluster-node")
        node = NodeServices(
            name=NODE_NAME, client=client, events=EventRecorder(client, "kubelet", NODE_NAME), runtime=runtime,
            catalogue=catalogue, state_dir=working_dir(self._state_dir),
            pods_dir=pods_dir(self._state_dir), allocatable=allocatable(options),
            host_ip=credentials.HOST, api_port=port, pod_token=self._tokens["pods"], marker=marker_of(self._state_dir),
            network_environment=network_environment(os.environ),
        )  # fmt: skip
        agent = NodeAgent(node)
        users = {
            credential.token: "devcluster-admin", self._tokens["node"]: f"system:node:{NODE_NAME}",
            self._tokens["pods"]: "system:serviceaccount:default:default",
        }  # fmt: skip
        runner = web.AppRunner(
            create_app(registry, agent, users), access_log=None, shutdown_timeout=0.2, handler_cancellation=True
        )
        await runner.setup()
        await asyncio.to_thread(schema.models)
        for name in NAMESPACES:
            registry.create(BY_RESOURCE["namespaces"], "", {"metadata": {"name": name}}, WriteOptions())
        scheduling = EventRecorder(client, "default-scheduler")
        provisioning = EventRecorder(client, "persistentvolume-controller")
        provisioner = Provisioner(client, provisioning, node.state_dir / "volumes")
        assert runner.server is not None  # noqa: S101
        accepting = asyncio.create_task(listener.serve(listening, runner.server, credential.ssl_context()))
        jobs = [
            Scheduler(client, scheduling).run(), provisioner.run(), node.events.run(), scheduling.run(),
            provisioning.run(), _expire_events(store),
        ]  # fmt: skip
        tasks = [asyncio.create_task(job) for job in jobs]
        node_task = asyncio.create_task(agent.run())
        credentials.write_private(self._state_dir / "kubeconfig", credentials.kubeconfig(credential, port).encode())
        print(f"devcluster serves https://{credentials.HOST}:{port}", flush=True)  # noqa: T201
        try:
            await self._until_end(runtime, [node_task, accepting, *tasks])
        finally:
            for task in (node_task, *tasks):
                task.cancel()
            await asyncio.gather(node_task, *tasks, return_exceptions=True)
            await client.close()
            accepting.cancel()
            await runner.cleanup()
            listening.close()
            await runtime.stop()
            if node.state_dir != self._state_dir:
                node.state_dir.unlink(missing_ok=True)

    async def _until_end(self, runtime: Runtime, tasks: list[asyncio.Task[Any]]) -> None:
        """Wait for a signal; the death of the keeper or of a part is the death of the whole."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        ending = asyncio.create_task(self._ending.wait())
        died = asyncio.create_task(runtime.died.wait())
        done, _ = await asyncio.wait({ending, died, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        died.cancel()
        if died in done:
            raise StartupError("the keeper of containers died, and with it every pod; start devcluster again")
        for task in tasks:
            if task in done:
                task.result()


async def _expire_events(store: ObjectStore) -> None:
    """Forget events after an hour, as Kubernetes does."""
    while True:
        await asyncio.sleep(60)
        limit = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - EVENT_SECONDS))
        for event in store.list("events"):
            if (event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]) < limit:
                store.remove("events", event["metadata"]["namespace"], event["metadata"]["name"])
