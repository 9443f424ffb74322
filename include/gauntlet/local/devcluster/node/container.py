"""One container of a pod, from image to exit, again and again as its restart policy says.

It changes its own record and says so; what that means for the pod is ``statuses``' business. It ends when its
container ended for good or when `ending` is set, and then all processes of the container are gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gauntlet.local.devcluster.node import logs, probes
from gauntlet.local.devcluster.node.client import Object
from gauntlet.local.devcluster.node.environment import ConfigError
from gauntlet.local.devcluster.node.images import Image
from gauntlet.local.devcluster.node.node_services import NodeServices
from gauntlet.local.devcluster.node.rewriting import Rewriter
from gauntlet.local.devcluster.node.runtime import Command, Exit, Process, StartError
from gauntlet.local.devcluster.node.statuses import Record, back_off_seconds, should_restart, stamp

RETRY_SECONDS = 2.0
PULL_BACK_OFF_SECONDS = 10.0
STEADY_SECONDS = 600.0
MESSAGE_LIMIT_BYTES = 4096
NEVER_STARTED = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Prepared:
    """A container ready to start, where its termination message will be, and what its mount paths mean."""

    command: Command
    message_file: Path
    rewriter: Rewriter

    def within(self, argv: Iterable[str], **changes: Any) -> Command:
        """Return another command to run in the same surroundings (exec, probes, hooks)."""
        return replace(self.command, argv=[self.rewriter.text(part) for part in argv], log=None,
                       memory_limit_bytes=None, **changes)  # fmt: skip


Prepare = Callable[[Object, Record, Image], Awaitable[Prepared]]


class Container:
    """Runs one container."""

    def __init__(
        self, node: NodeServices, pod: Object, spec: Object, record: Record, *, policy: str,
        prepare: Prepare, changed: Callable[[], None],
    ) -> None:  # fmt: skip
        """Take the container's `spec`, its record, its restart policy, and how to prepare it.

        Args:
            prepare: makes environment, folders and command line; raises ConfigError.
            changed: called whenever the record changed.
        """
        self.node = node
        self.pod = pod
        self.spec = spec
        self.record = record
        self.ending = asyncio.Event()
        self.process: Process | None = None
        self.prepared: Prepared | None = None
        self._grace_ends_at = 0.0
        self._hurry = asyncio.Event()
        self._policy = policy
        self._prepare = prepare
        self._changed = changed
        self._kill_reason = ""

    def end(self, grace_seconds: float, reason: str = "") -> None:
        """Make the container end for good within a grace period; a later, shorter one wins."""
        ends_at = asyncio.get_running_loop().time() + grace_seconds
        if not self.ending.is_set() or ends_at < self._grace_ends_at:
            self._grace_ends_at = ends_at
            self._hurry.set()
        self._kill_reason = self._kill_reason or reason
        self.ending.set()

    async def run(self) -> None:
        """Run the container until it ended for good."""
        crashes = 0
        while not self.ending.is_set():
            began = asyncio.get_running_loop().time()
            ended = await self._once()
            if ended is None or self.ending.is_set() or not should_restart(self._policy, ended.code):
                return
            steady = asyncio.get_running_loop().time() - began >= STEADY_SECONDS
            crashes = 1 if steady else crashes + 1
            await self._back_off(back_off_seconds(crashes))
            if not self.ending.is_set():
                self.record.restart_count += 1

    async def _back_off(self, seconds: float) -> None:
        if seconds <= 0:
            return
        metadata = self.pod["metadata"]
        whole = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        message = f"back-off {_span(seconds)} restarting failed container={self.record.name} pod={whole}"
        self.record.last_state = self.record.state
        self._set(waiting={"reason": "CrashLoopBackOff", "message": message})
        self._event("Warning", "BackOff", f"Back-off restarting failed container {self.record.name} in pod {whole}")
        await self._pause(seconds)

    async def _once(self) -> Exit | None:
        """Run one instance; None when the pod ended before it could start."""
        image = await self._pull()
        if image is None:
            return None
        prepared = await self._configure(image)
        if prepared is None:
            return None
        self.prepared = prepared
        await asyncio.to_thread(self._make_log, prepared)
        self._event("Normal", "Created", f"Created container: {self.record.name}")
        self.record.container_id = (
            f"devcluster://{self.pod['metadata']['uid']}/{self.record.name}/{self.record.restart_count}"
        )
        started_at = stamp()
        try:
            self.process = await self.node.runtime.spawn(prepared.command)
        except StartError as problem:
            return self._start_failed(str(problem))
        self._remember_last()
        self.record.started = "startupProbe" not in self.spec
        self.record.ready = "readinessProbe" not in self.spec and self.record.started
        self._set(running={"startedAt": started_at})
        self._event("Normal", "Started", f"Started container {self.record.name}")
        ended = await self._live(self.process)
        self.process = None
        self._ended(ended, started_at)
        return ended

    def _make_log(self, prepared: Prepared) -> None:
        log = prepared.command.log
        assert log is not None  # noqa: S101
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        for old in log.parent.iterdir():
            if int(old.name.partition(".")[0]) < self.record.restart_count - 1:
                old.unlink()

    async def _live(self, process: Process) -> Exit:
        ender = asyncio.create_task(self._end_on_demand(process))
        prober = asyncio.create_task(probes.watch(self))
        try:
            return await process.wait()
        finally:
            for task in (ender, prober):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _end_on_demand(self, process: Process) -> None:
        await self.ending.wait()
        self._event("Normal", "Killing", self._kill_reason or f"Stopping container {self.record.name}")
        await self._stop(process)

    async def _stop(self, process: Process) -> None:
        """preStop, SIGTERM, and when the grace period is over SIGKILL for everything."""
        hook = ((self.spec.get("lifecycle") or {}).get("preStop")) or {}
        loop = asyncio.get_running_loop()
        if hook and self._grace_ends_at > loop.time():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(probes.hook(self, hook), self._grace_ends_at - loop.time())
        process.signal(signal.SIGTERM)
        while (left := self._grace_ends_at - loop.time()) > 0:
            self._hurry.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), left)
        process.signal(signal.SIGKILL)

    async def restart(self, message: str) -> None:
        """Kill this instance after a failed probe; the restart policy decides what comes next."""
        self._event("Normal", "Killing", message)
        if self.process is not None:
            loop = asyncio.get_running_loop()
            self._grace_ends_at = loop.time() + float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))
            await self._stop(self.process)

    async def _pull(self) -> Image | None:
        """Find the image in the catalogue; while it is not there, wait as a kubelet waits for a registry."""
        name, policy = self.record.image, self.spec.get("imagePullPolicy")
        while not self.ending.is_set():
            image = self.node.catalogue.find(name)
            if image is not None:
                present = f'Container image "{name}" already present on machine'
                self._event("Normal", "Pulled", present)
                return image
            if policy == "Never":
                message = f'Container image "{name}" is not present with pull policy of Never'
                self._set(waiting={"reason": "ErrImageNeverPull", "message": message})
                self._event("Warning", "ErrImageNeverPull", message)
                await self._pause(PULL_BACK_OFF_SECONDS)
                continue
            await self._pull_failed(name)
        return None

    async def _pull_failed(self, name: str) -> None:
        message = (
            f'failed to pull image "{name}": devcluster has no container runtime and runs only images of its '
            "catalogue, and this name is not there: add an entry for it (serve --catalogue FILE, see "
            "docs/reference/devcluster.md) or use a real cluster"
        )
        self._event("Normal", "Pulling", f'Pulling image "{name}"')
        self._event("Warning", "Failed", f"F{message[1:]}")
        self._event("Warning", "Failed", "Error: ErrImagePull")
        self._set(waiting={"reason": "ErrImagePull", "message": message})
        await self._pause(RETRY_SECONDS)
        if self.ending.is_set():
            return
        self._event("Normal", "BackOff", f'Back-off pulling image "{name}"')
        self._event("Warning", "Failed", "Error: ImagePullBackOff")
        waiting = f'Back-off pulling image "{name}": ErrImagePull: {message}'
        self._set(waiting={"reason": "ImagePullBackOff", "message": waiting})
        await self._pause(PULL_BACK_OFF_SECONDS)

    async def _configure(self, image: Image) -> Prepared | None:
        while not self.ending.is_set():
            try:
                return await self._prepare(self.spec, self.record, image)
            except ConfigError as problem:
                self._set(waiting={"reason": "CreateContainerConfigError", "message": str(problem)})
                self._event("Warning", "Failed", f"Error: {problem}")
                await self._pause(RETRY_SECONDS)
        return None

    def _start_failed(self, problem: str) -> Exit:
        message = (
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create "
            f"failed: unable to start container process: {problem}: unknown"
        )
        self._event("Warning", "Failed", f"Error: {message}")
        self._remember_last()
        self._set(terminated={
            "exitCode": 128, "reason": "StartError", "message": message, "startedAt": NEVER_STARTED,
            "finishedAt": stamp(), "containerID": self.record.container_id,
        })  # fmt: skip
        return Exit(128)

    def _remember_last(self) -> None:
        if "terminated" in self.record.state:
            self.record.last_state = self.record.state

    def _ended(self, ended: Exit, started_at: str) -> None:
        reason = "OOMKilled" if ended.out_of_memory else "Completed" if ended.code == 0 else "Error"
        terminated: Object = {
            "exitCode": ended.code, "reason": reason, "startedAt": started_at, "finishedAt": stamp(datetime.now(UTC)),
            "containerID": self.record.container_id,
        }  # fmt: skip
        message = self._termination_message(ended)
        if message:
            terminated["message"] = message
        self.record.ready = self.record.started = False
        self._set(terminated=terminated)

    def _termination_message(self, ended: Exit) -> str:
        prepared = self.prepared
        if prepared is None or prepared.command.log is None:
            return ""
        with contextlib.suppress(OSError), prepared.message_file.open("rb") as file:
            text = file.read(MESSAGE_LIMIT_BYTES).decode(errors="replace")
            if text:
                return text
        if ended.code != 0 and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            return logs.last_lines(prepared.command.log, 80, 2048)
        return ""

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ending.wait(), seconds)

    def _set(self, **state: Object) -> None:
        self.record.state = dict(state)
        self._changed()

    def touched(self) -> None:
        """Say that the record changed (probes change `ready` and `started`)."""
        self._changed()

    def _event(self, kind: str, reason: str, message: str) -> None:
        group = "initContainers" if self.record.init else "containers"
        self.node.events.record(self.pod, kind, reason, message, f"spec.{group}{{{self.record.name}}}")

    def warn(self, reason: str, message: str) -> None:
        """Record a warning about this container."""
        self._event("Warning", reason, message)


def _span(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60}s"
