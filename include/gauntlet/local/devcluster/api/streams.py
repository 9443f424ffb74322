"""What the API needs of the node for pods/log and pods/exec: a protocol, so that neither room imports the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from gauntlet.local.devcluster.api import errors
from gauntlet.local.devcluster.api.requests import flag, number
from gauntlet.local.devcluster.store.objects import Object


@dataclass(frozen=True)
class LogOptions:
    """Which part of a container's log is wanted (PodLogOptions)."""

    container: str
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since_seconds: int | None = None
    since_time: str | None = None
    limit_bytes: int | None = None


@dataclass(frozen=True)
class ExecOptions:
    """What to run in a container, and which streams the client wants (PodExecOptions)."""

    container: str
    command: tuple[str, ...]
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False


class StreamError(Exception):
    """The node cannot give this stream; the message is for the client."""


class NodeStreams(Protocol):
    """The node's side of streams, by the pod's uid."""

    def logs(self, pod_uid: str, options: LogOptions) -> AsyncIterator[bytes]:
        """Yield pieces of a log. Raises StreamError before the first piece."""
        ...

    async def execute(self, pod_uid: str, options: ExecOptions, socket: web.WebSocketResponse) -> None:
        """Serve an exec on a websocket that is open. Raises StreamError before anything was sent."""
        ...


def pick_container(pod: Object, asked: str) -> str:
    """Return the container meant by a request. Raises ApiError 400 as Kubernetes does."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    main = [container["name"] for container in spec["containers"]]
    first = [container["name"] for container in spec.get("initContainers") or []]
    if asked:
        if asked not in (*main, *first):
            raise errors.bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if default in main:
        return str(default)
    if len(main) > 1:
        choices = f"choose one of: [{' '.join(main)}]"
        more = f" or one of the init containers: [{' '.join(first)}]" if first else ""
        raise errors.bad_request(f"a container name must be specified for pod {name}, {choices}{more}")
    return str(main[0])


def log_options(pod: Object, query: Mapping[str, str]) -> LogOptions:
    """Read PodLogOptions from a query. Raises ApiError 400."""
    since_seconds = number(query, "sinceSeconds")
    if since_seconds is not None and query.get("sinceTime"):
        raise errors.bad_request("at most one of `sinceTime` or `sinceSeconds` may be specified")
    return LogOptions(
        container=pick_container(pod, query.get("container", "")),
        follow=flag(query, "follow"),
        previous=flag(query, "previous"),
        timestamps=flag(query, "timestamps"),
        tail_lines=number(query, "tailLines"),
        since_seconds=since_seconds,
        since_time=query.get("sinceTime") or None,
        limit_bytes=number(query, "limitBytes"),
    )


def waiting_reason(pod: Object, container: str) -> str | None:
    """Return why a container has no log yet, None when it has one."""
    status = pod.get("status", {})
    for group in ("initContainerStatuses", "containerStatuses"):
        for entry in status.get(group) or []:
            if entry["name"] == container:
                waiting = entry.get("state", {}).get("waiting")
                started_before = entry.get("lastState") or not waiting
                return None if started_before else str(waiting.get("reason") or "ContainerCreating")
    return "ContainerCreating"
