"""A thin client of the Kubernetes API: requests, and list-then-watch that never gives up. Knows no kinds.

It exists because the node talks to the API as any client does, over HTTP and with a token of its own, but needs a
fraction of what the official client loads.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeAlias

import aiohttp

Object: TypeAlias = dict[str, Any]
RETRY_SECONDS = 0.5
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
_log = logging.getLogger(__name__)


class ApiRefusalError(Exception):
    """The API answered with a Status that is no success."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class Client:
    """One connection pool to one API server."""

    def __init__(self, base_url: str, token: str, agent: str) -> None:
        headers = {"Authorization": f"Bearer {token}", "User-Agent": agent, "Accept": "application/json"}
        self._session = aiohttp.ClientSession(
            base_url, headers=headers, connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        )  # fmt: skip

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """Read an object or a list. Raises ApiRefusalError."""
        return await self._request("GET", path, query=query)

    async def create(self, path: str, body: Object) -> Object:
        """Create an object in a collection. Raises ApiRefusalError."""
        return await self._request("POST", path, body=body)

    async def patch(self, path: str, body: Object, kind: str = STRATEGIC) -> Object:
        """Patch an object. Raises ApiRefusalError."""
        return await self._request("PATCH", path, body=body, content_type=kind)

    async def delete(self, path: str, body: Object | None = None) -> Object:
        """Delete an object, with DeleteOptions as the body. Raises ApiRefusalError."""
        return await self._request("DELETE", path, body=body)

    async def _request(
        self, method: str, path: str, *, body: Object | None = None, query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:  # fmt: skip
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type} if data is not None else {}
        async with self._session.request(method, path, params=query, data=data, headers=headers) as response:
            answer: Object = json.loads(await response.read())
            if response.status >= 400:
                raise ApiRefusalError(response.status, answer.get("reason", ""), answer.get("message", ""))
            return answer

    async def follow(self, path: str, query: Mapping[str, str] | None = None) -> AsyncIterator[tuple[str, Any]]:
        """List, then watch, for ever: yields ("SYNC", all objects), then ("ADDED" | "MODIFIED" | "DELETED", object).

        After anything goes wrong there is a new SYNC, so a reader must treat what is missing from it as gone.
        """
        while True:
            try:
                listed = await self.get(path, query)
                yield "SYNC", listed["items"]
                version = listed["metadata"]["resourceVersion"]
                async for event in self._watch(path, {**(query or {}), "resourceVersion": version}):
                    yield event
            except (aiohttp.ClientError, ApiRefusalError, TimeoutError, ValueError) as problem:
                _log.warning("watch of %s is broken, listing again: %s", path, problem)
            await asyncio.sleep(RETRY_SECONDS)

    async def _watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[tuple[str, Any]]:
        async with self._session.get(path, params={**query, "watch": "true"}, read_bufsize=2**20) as response:
            if response.status >= 400:
                raise ApiRefusalError(response.status, "", f"the watch was refused with {response.status}")
            buffer = b""
            async for chunk in response.content.iter_any():
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise ApiRefusalError(status["code"], status["reason"], status["message"])
                    yield event["type"], event["object"]


def object_path(resource: str, namespace: str, name: str = "") -> str:
    """Return the path of a core object or, without a name, of its collection."""
    place = f"/api/v1/namespaces/{namespace}/{resource}" if namespace else f"/api/v1/{resource}"
    return f"{place}/{name}" if name else place
