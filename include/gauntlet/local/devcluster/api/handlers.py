"""HTTP in, HTTP out: turns requests into the registry's verbs and its answers into responses.

No rule about objects lives here. Authentication is in ``app``; the streams of pods are in ``pod_handlers``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from gauntlet.local.devcluster.api import discovery, errors, openapi, pod_handlers, requests, reviews, schema
from gauntlet.local.devcluster.api.kinds import Kind, versions
from gauntlet.local.devcluster.api.listing import View, collection, matcher, stream
from gauntlet.local.devcluster.api.registry import Registry, WriteOptions
from gauntlet.local.devcluster.api.requests import Target
from gauntlet.local.devcluster.api.streams import NodeStreams
from gauntlet.local.devcluster.store.objects import Object

USER: web.RequestKey[str] = web.RequestKey("user", str)
Answer = Awaitable[web.StreamResponse]


def answer(body: Any, status: int = 200, warnings: list[str] | None = None) -> web.Response:
    """Return a JSON response; warnings become Warning headers, which kubectl shows."""
    response = web.Response(
        body=json.dumps(body, separators=(",", ":")).encode(), status=status, content_type="application/json"
    )
    for warning in warnings or []:
        text = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{text}"')
    return response


class Handlers:
    """The API's endpoints over a registry and a node's streams."""

    def __init__(self, registry: Registry, streams: NodeStreams) -> None:
        self.registry = registry
        self.pods = pod_handlers.PodHandlers(registry, streams)

    async def discover(self, request: web.Request) -> web.Response:
        """Answer /api and /apis, aggregated when the client asks for that."""
        core = request.path.rstrip("/") == "/api"
        form = discovery.aggregated_version(request.headers.get("Accept", ""))
        if form:
            body = json.dumps(discovery.aggregated(core=core, form=form)).encode()
            kind = f"application/json;g=apidiscovery.k8s.io;v={form};as=APIGroupDiscoveryList"
            return web.Response(body=body, headers={"Content-Type": kind})
        return answer(discovery.api_versions() if core else discovery.group_list())

    async def group(self, request: web.Request) -> web.Response:
        """Answer /apis/GROUP and /api/v1, /apis/GROUP/VERSION."""
        group, version = request.match_info.get("group", ""), request.match_info.get("version")
        try:
            if version is None:
                return answer(discovery.api_group(group))
            return answer(discovery.resource_list(group, version))
        except KeyError:
            raise errors.page_not_found() from None

    async def version(self, request: web.Request) -> web.Response:
        """Answer /version."""
        return answer(discovery.version())

    async def openapi(self, request: web.Request) -> web.Response:
        """Answer /openapi/v2, /openapi/v3 and a group's document; written on first use, off the event loop."""
        path = request.match_info.get("path", "").strip("/")
        if request.path.startswith("/openapi/v2"):
            return answer(await asyncio.to_thread(openapi.swagger))
        if not path:
            return answer(await asyncio.to_thread(openapi.paths))
        parts = path.split("/")
        group = parts[1] if parts[0] == "apis" and len(parts) == 3 else ""
        if group not in versions() or (not group and parts != ["api", "v1"]):
            raise errors.page_not_found()
        return answer(await asyncio.to_thread(openapi.document, group))

    async def resource(self, request: web.Request) -> web.StreamResponse:
        """Answer everything below a group's version."""
        target = requests.parse_path(request.path)
        review = target.review()
        if review:
            return await self._review(request, target, review)
        kind = target.kind()
        await asyncio.to_thread(schema.models) if not schema.models.cache_info().currsize else None
        if target.subresource not in ("", "status", "finalize"):
            return await self.pods.handle(request, target)
        verbs: dict[str, Callable[[web.Request, Target, Kind], Answer]] = {
            "GET": self._read, "HEAD": self._read, "POST": self._create, "PUT": self._update, "PATCH": self._patch,
            "DELETE": self._delete,
        }  # fmt: skip
        handler = verbs.get(request.method)
        if handler is None:
            raise errors.method_not_allowed()
        return await handler(request, target, kind)

    async def _review(self, request: web.Request, target: Target, kind: str) -> web.Response:
        if request.method != "POST":
            raise errors.method_not_allowed()
        body = requests.parse_body(await request.read(), request.content_type)
        api_version = f"{target.group}/{target.version}"
        return answer(reviews.answer(kind, body, request[USER], api_version), 201)

    async def _read(self, request: web.Request, target: Target, kind: Kind) -> web.StreamResponse:
        view = View.of(request.headers.get("Accept", ""), request.query)
        if requests.flag(request.query, "watch"):
            return await self._watch(request, target, kind, view)
        if target.name:
            return answer(view.one(kind, self.registry.get(kind, target.namespace, target.name)))
        return answer(collection(self.registry.store, kind, target, request.query, view))

    async def _watch(self, request: web.Request, target: Target, kind: Kind, view: View) -> web.StreamResponse:
        matcher(kind, target, request.query)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        lines = stream(self.registry.store, kind, target, request.query, view)
        try:
            async for line in lines:
                await response.write(line)
        except ConnectionError:
            return response
        finally:
            await lines.aclose()  # type: ignore[attr-defined]
        await response.write_eof()
        return response

    async def _create(self, request: web.Request, target: Target, kind: Kind) -> web.Response:
        if target.name:
            raise errors.method_not_allowed()
        body, options = await self._body(request)
        if not isinstance(body, dict):
            raise errors.bad_request("the body of a create request is the object")
        if kind.namespaced and not target.namespace:
            raise errors.bad_request("an object of this kind is created in a namespace")
        created = self.registry.create(kind, target.namespace, body, options)
        return self._written(request, kind, created, options, 201)

    async def _update(self, request: web.Request, target: Target, kind: Kind) -> web.Response:
        body, options = await self._body(request)
        if not target.name:
            raise errors.method_not_allowed()
        changed = self.registry.update(
            kind, target.namespace, target.name, body, options, subresource=target.subresource
        )
        return self._written(request, kind, changed, options, 200)

    async def _patch(self, request: web.Request, target: Target, kind: Kind) -> web.Response:
        if not target.name:
            raise errors.method_not_allowed()
        patch = requests.parse_patch(await request.read(), request.headers.get("Content-Type", ""))
        options = requests.write_options(request.query, request.headers.get("User-Agent", ""))
        changed, created = self.registry.patch(
            kind, target.namespace, target.name, patch, options, subresource=target.subresource
        )
        return self._written(request, kind, changed, options, 201 if created else 200)

    async def _delete(self, request: web.Request, target: Target, kind: Kind) -> web.Response:
        body = requests.parse_body(await request.read(), request.content_type)
        options = requests.delete_options(request.query, body)
        if target.name:
            uid = self.registry.get(kind, target.namespace, target.name)["metadata"]["uid"]
            deleted = self.registry.delete(kind, target.namespace, target.name, options)
            return answer(deleted if kind.returns_deleted else errors.success(kind.plural, target.name, uid))
        if kind.namespaced and not target.namespace:
            raise errors.method_not_allowed()
        matches = matcher(kind, target, request.query)
        found = [obj for obj in self.registry.store.list(kind.resource, target.namespace or None) if matches(obj)]
        for obj in found:
            metadata = obj["metadata"]
            if self.registry.store.get(kind.resource, metadata.get("namespace", ""), metadata["name"]):
                self.registry.delete(kind, metadata.get("namespace", ""), metadata["name"], options)
        body = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "items": found}
        return answer({**body, "metadata": {"resourceVersion": str(self.registry.store.version)}})

    async def _body(self, request: web.Request) -> tuple[Any, WriteOptions]:
        body = requests.parse_body(await request.read(), request.content_type)
        return body, requests.write_options(request.query, request.headers.get("User-Agent", ""))

    @staticmethod
    def _written(request: web.Request, kind: Kind, obj: Object, options: WriteOptions, status: int) -> web.Response:
        view = View.of(request.headers.get("Accept", ""), request.query)
        return answer(view.one(kind, obj), status, options.warnings)
