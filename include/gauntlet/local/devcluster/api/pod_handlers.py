"""The subresources only pods have: binding, eviction, log, exec.

Logs and exec are the node's; they are reached through the ``NodeStreams`` protocol.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from aiohttp import web

from gauntlet.local.devcluster.api import errors, requests, streams
from gauntlet.local.devcluster.api.kinds import BY_RESOURCE
from gauntlet.local.devcluster.api.registry import Registry, timestamp
from gauntlet.local.devcluster.api.requests import Target
from gauntlet.local.devcluster.store.objects import Object

EXEC_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")


class PodHandlers:
    """Serves pods/binding, pods/eviction, pods/log and pods/exec."""

    def __init__(self, registry: Registry, node: streams.NodeStreams) -> None:
        self._registry = registry
        self._node = node
        self._kind = BY_RESOURCE["pods"]

    async def handle(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer a request below a pod. Raises ApiError."""
        handlers = {
            ("binding", "POST"): self._bind,
            ("eviction", "POST"): self._evict,
            ("log", "GET"): self._log,
            ("exec", "GET"): self._exec,
            ("exec", "POST"): self._exec,
        }
        handler = handlers.get((target.subresource, request.method))
        if target.resource != "pods" or handler is None:
            raise errors.page_not_found()
        return await handler(request, target)

    async def _bind(self, request: web.Request, target: Target) -> web.Response:
        """Put a pod on a node: the scheduler's one privilege."""
        body = requests.parse_body(await request.read(), request.content_type) or {}
        pod = copy.deepcopy(self._registry.get(self._kind, target.namespace, target.name))
        if pod["spec"].get("nodeName"):
            why = f'pod {target.name} is already assigned to node "{pod["spec"]["nodeName"]}"'
            raise errors.conflict("pods/binding", target.name, why)
        if pod["metadata"].get("deletionTimestamp"):
            raise errors.conflict("pods/binding", target.name, f"pod {target.name} is being deleted")
        pod["spec"]["nodeName"] = body.get("target", {}).get("name", "")
        condition = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": timestamp()}
        others = [c for c in pod["status"].get("conditions") or [] if c["type"] != "PodScheduled"]
        pod["status"]["conditions"] = [*others, condition]
        self._registry.store.put("pods", pod)
        return _json(errors.success("pods/binding", target.name), 201)

    async def _evict(self, request: web.Request, target: Target) -> web.Response:
        """Evict a pod (policy/v1): delete it, and say why on it."""
        body = requests.parse_body(await request.read(), request.content_type) or {}
        options = requests.delete_options(request.query, body.get("deleteOptions"))
        pod = self._registry.get(self._kind, target.namespace, target.name)
        if not options.dry_run:
            marked = copy.deepcopy(pod)
            condition = {
                "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
                "message": "Eviction API: evicting", "lastProbeTime": None, "lastTransitionTime": timestamp(),
            }  # fmt: skip
            marked["status"]["conditions"] = [*(marked["status"].get("conditions") or []), condition]
            self._registry.store.put("pods", marked)
        self._registry.delete(self._kind, target.namespace, target.name, options)
        return _json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201)

    async def _log(self, request: web.Request, target: Target) -> web.StreamResponse:
        pod = self._registry.get(self._kind, target.namespace, target.name)
        options = streams.log_options(pod, request.query)
        self._refuse_unstarted(pod, options.container)
        pieces = self._node.logs(pod["metadata"]["uid"], options)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        try:
            async for piece in pieces:
                if not response.prepared:
                    await response.prepare(request)
                await response.write(piece)
        except streams.StreamError as problem:
            raise errors.bad_request(str(problem)) from None
        except ConnectionError:
            return response
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]
        if not response.prepared:
            await response.prepare(request)
        await response.write_eof()
        return response

    @staticmethod
    def _refuse_unstarted(pod: Object, container: str) -> None:
        name = pod["metadata"]["name"]
        if not pod["spec"].get("nodeName"):
            raise errors.bad_request(f"pod {name} does not have a host assigned")
        reason = streams.waiting_reason(pod, container)
        if reason is None:
            return
        tail = {
            "ImagePullBackOff": "trying and failing to pull image",
            "ErrImagePull": "image can't be pulled",
        }.get(reason, reason)
        raise errors.bad_request(f'container "{container}" in pod "{name}" is waiting to start: {tail}')

    async def _exec(self, request: web.Request, target: Target) -> web.StreamResponse:
        pod = self._registry.get(self._kind, target.namespace, target.name)
        query = request.query
        container = streams.pick_container(pod, query.get("container", ""))
        if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            phase = pod["status"]["phase"]
            raise errors.bad_request(f"cannot exec into a container in a completed pod; current phase is {phase}")
        options = streams.ExecOptions(
            container=container,
            command=tuple(query.getall("command", [])),
            stdin=requests.flag(query, "stdin"),
            stdout=requests.flag(query, "stdout"),
            stderr=requests.flag(query, "stderr"),
            tty=requests.flag(query, "tty"),
        )
        if not options.command:
            raise errors.bad_request("you must specify at least 1 command for the container")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            message = "exec is served over websockets only (kubectl 1.30 or newer, or any websocket client)"
            raise errors.bad_request(message)
        socket = web.WebSocketResponse(protocols=EXEC_PROTOCOLS, max_msg_size=0)
        await socket.prepare(request)
        try:
            await self._node.execute(pod["metadata"]["uid"], options, socket)
        except streams.StreamError as problem:
            status: dict[str, Any] = errors.ApiError(500, "InternalError", str(problem)).status()
            await socket.send_bytes(b"\x03" + json.dumps(status).encode())
        await socket.close()
        return socket


def _json(body: Any, status: int) -> web.Response:
    return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json")
