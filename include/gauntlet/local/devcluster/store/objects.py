"""The object store: every object, one version counter, a bounded history to watch from.

It exists so that list and watch agree with each other. It holds state in memory only, on purpose. It runs in
one event loop: no method awaits, so each is atomic. Stored objects are shared with readers and watchers and
must never be changed in place; writers hand in objects of their own.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Object: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, str]
ChangeType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED"]


class VersionTooOldError(Exception):
    """The history no longer reaches back to the version asked for (HTTP 410)."""

    def __init__(self, wanted: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {wanted} ({oldest})")


@dataclass(frozen=True, slots=True)
class Change:
    """One step in an object's life; `previous` is what watchers with selectors need to see it leave."""

    type: ChangeType
    object: Object
    previous: Object | None
    version: int


class Watch:
    """What one reader has yet to see of one resource. A reader too slow to keep up is told so, not fed forever."""

    LIMIT = 20_000

    def __init__(self, backlog: list[Change]) -> None:
        self._queue: asyncio.Queue[Change] = asyncio.Queue()
        self.overflown = False
        for change in backlog:
            self._queue.put_nowait(change)

    def offer(self, change: Change) -> None:
        """Queue one change for the reader; past the limit the watch is marked overflown instead."""
        if self._queue.qsize() >= self.LIMIT:
            self.overflown = True
        else:
            self._queue.put_nowait(change)

    async def next(self) -> Change:
        """Wait for the next change."""
        return await self._queue.get()


class ObjectStore:
    """All objects by resource ("pods", "apps/deployments"), then by namespace ("" when cluster-wide) and name."""

    def __init__(self, *, first_version: int, history_length: int = 10_000) -> None:
        self._version = first_version
        self._history_length = history_length
        self._objects: dict[str, dict[Key, Object]] = defaultdict(dict)
        self._history: dict[str, deque[Change]] = defaultdict(deque)
        self._horizon: dict[str, int] = defaultdict(lambda: first_version)
        self._watches: dict[str, set[Watch]] = defaultdict(set)

    @property
    def version(self) -> int:
        """The version of the newest change; every list answers with it."""
        return self._version

    def get(self, resource: str, namespace: str, name: str) -> Object | None:
        """Return the object, or None."""
        return self._objects[resource].get((namespace, name))

    def list(self, resource: str, namespace: str | None = None) -> list[Object]:
        """Return the objects of a resource in key order, of one namespace or (None) of all."""
        objects = self._objects[resource]
        return [objects[key] for key in sorted(objects) if namespace is None or key[0] == namespace]

    def everything(self) -> Iterator[tuple[str, Object]]:
        """Yield (resource, object) over a snapshot of the whole store."""
        for resource in list(self._objects):
            for obj in list(self._objects[resource].values()):
                yield resource, obj

    def put(self, resource: str, obj: Object) -> Object:
        """Add or replace `obj` under its namespace and name, with a new version; returns it."""
        key = _key(obj)
        previous = self._objects[resource].get(key)
        self._stamp(obj)
        self._objects[resource][key] = obj
        self._publish(resource, "MODIFIED" if previous else "ADDED", obj, previous)
        return obj

    def remove(self, resource: str, namespace: str, name: str) -> Object:
        """Remove the object; watchers see it once more with a newer version. Raises KeyError when absent."""
        previous = self._objects[resource].pop((namespace, name))
        last = {**previous, "metadata": dict(previous["metadata"])}
        self._stamp(last)
        self._publish(resource, "DELETED", last, previous)
        return last

    def watch(self, resource: str, since: int) -> Watch:
        """Watch a resource from just after version `since`. Raises VersionTooOldError."""
        if since < self._horizon[resource]:
            raise VersionTooOldError(since, self._horizon[resource])
        watch = Watch([change for change in self._history[resource] if change.version > since])
        self._watches[resource].add(watch)
        return watch

    def unwatch(self, resource: str, watch: Watch) -> None:
        """Stop feeding `watch`; harmless when it was stopped before."""
        self._watches[resource].discard(watch)

    def _stamp(self, obj: Object) -> None:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)

    def _publish(self, resource: str, kind: ChangeType, obj: Object, previous: Object | None) -> None:
        change = Change(kind, obj, previous, self._version)
        history = self._history[resource]
        history.append(change)
        if len(history) > self._history_length:
            self._horizon[resource] = history.popleft().version
        for watch in self._watches[resource]:
            watch.offer(change)


def _key(obj: Object) -> Key:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
