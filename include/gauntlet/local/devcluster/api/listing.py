"""Lists and watches: selection, paging, tables, and the stream of events. Selection is pure; `stream` waits.

A watch row is what a client sees of one change: an object that starts matching a selector is ADDED to it, one that
stops is DELETED from it, as in Kubernetes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gauntlet.local.devcluster.api import columns, errors
from gauntlet.local.devcluster.api.kinds import Kind
from gauntlet.local.devcluster.api.requests import Target, flag, number
from gauntlet.local.devcluster.store import selectors
from gauntlet.local.devcluster.store.objects import Change, Object, ObjectStore, VersionTooOldError

BOOKMARK_SECONDS = 30.0
Matcher = Callable[[Object], bool]


@dataclass(frozen=True)
class View:
    """How a client wants objects: as they are, as rows of a Table, or as bare metadata."""

    table: bool = False
    metadata_only: bool = False
    include: str = "Metadata"

    @staticmethod
    def of(accept: str, query: Mapping[str, str]) -> View:
        """Read the first form in an Accept header that can be served."""
        for choice in accept.split(","):
            if "as=Table" in choice and "v=v1beta1" not in choice:
                return View(table=True, include=query.get("includeObject") or "Metadata")
            if "as=PartialObjectMetadata" in choice:
                return View(metadata_only=True)
            if choice.strip().startswith(("application/json", "*/*")) and "as=" not in choice:
                break
        return View()

    def one(self, kind: Kind, obj: Object) -> Object:
        """Return one object in this view."""
        if self.table:
            found = columns.table(kind.columns, [obj], include=self.include)
            found["metadata"] = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            return found
        return _metadata_of(obj) if self.metadata_only else obj

    def row(self, kind: Kind, obj: Object, *, heads: bool) -> Object:
        """Return one object as it appears in a watch."""
        if not self.table:
            return self.one(kind, obj)
        found = columns.table(kind.columns, [obj], include=self.include, heads=heads)
        found["metadata"] = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        return found


def _metadata_of(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def matcher(kind: Kind, target: Target, query: Mapping[str, str]) -> Matcher:
    """Return the predicate of a request's namespace, labels and fields. Raises ApiError 400."""
    try:
        by_label = selectors.labels(query.get("labelSelector", ""))
        terms = selectors.fields(query.get("fieldSelector", ""))
    except selectors.SelectorError as problem:
        raise errors.bad_request(str(problem)) from None
    if target.name:
        terms.append(("metadata.name", True, target.name))

    def matches(obj: Object) -> bool:
        metadata = obj["metadata"]
        if target.namespace and metadata.get("namespace") != target.namespace:
            return False
        if not by_label(metadata.get("labels") or {}):
            return False
        known = kind.fields(obj) if terms else {}
        return all((known.get(name) == value) == equal for name, equal, value in terms)

    _check_fields(kind, terms)
    return matches


def _check_fields(kind: Kind, terms: list[tuple[str, bool, str]]) -> None:
    sample: Object = {"metadata": {"name": ""}, "spec": {}, "status": {}}
    known = kind.fields(sample)
    for name, _, _ in terms:
        if name not in known:
            raise errors.bad_request(f"field label not supported: {name}")


def collection(store: ObjectStore, kind: Kind, target: Target, query: Mapping[str, str], view: View) -> Object:
    """Answer a list request, a page of it when `limit` is given.

    Pages continue after the last key in today's state; unlike etcd, no snapshot of the first page's moment is kept.
    """
    matches = matcher(kind, target, query)
    objects = [obj for obj in store.list(kind.resource, target.namespace or None) if matches(obj)]
    start, version = _continued(query.get("continue", ""), store.version)
    objects = [obj for obj in objects if _sort_key(obj) > start]
    limit = number(query, "limit") or 0
    metadata: dict[str, Any] = {"resourceVersion": str(version)}
    if limit and len(objects) > limit:
        metadata["continue"] = _token(objects[limit - 1], version)
        metadata["remainingItemCount"] = len(objects) - limit
        objects = objects[:limit]
    if view.table:
        found = columns.table(kind.columns, objects, include=view.include)
        return {**found, "metadata": metadata}
    if view.metadata_only:
        items = [_metadata_of(obj) for obj in objects]
        return {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "items": items}  # fmt: skip
    bare = [{key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} for obj in objects]
    return {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": bare}


def _sort_key(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _token(last: Object, version: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([version, *_sort_key(last)]).encode()).decode()


def _continued(token: str, version: int) -> tuple[tuple[str, str], int]:
    if not token:
        return ("", ""), version
    try:
        first, namespace, name = json.loads(base64.urlsafe_b64decode(token))
        return (str(namespace), str(name)), int(first)
    except (ValueError, TypeError, binascii.Error):
        raise errors.bad_request("continue key is not valid") from None


async def stream(
    store: ObjectStore, kind: Kind, target: Target, query: Mapping[str, str], view: View
) -> AsyncIterator[bytes]:
    """Yield a watch's lines until its time is over. Problems become an ERROR line, as in Kubernetes."""
    matches = matcher(kind, target, query)
    timeout = number(query, "timeoutSeconds")
    since = query.get("resourceVersion", "")
    initial = since in ("", "0") or flag(query, "sendInitialEvents")
    start = store.version if initial else int(since) if since.isdigit() else -1
    try:
        watch = store.watch(kind.resource, start)
    except VersionTooOldError as problem:
        yield _line("ERROR", errors.expired(str(problem)).status())
        return
    bookmarks = flag(query, "allowWatchBookmarks")
    there = [o for o in store.list(kind.resource, target.namespace or None) if matches(o)] if initial else []
    heads = not there
    try:
        for place, obj in enumerate(there):
            yield _line("ADDED", view.row(kind, obj, heads=place == 0))
        if bookmarks and flag(query, "sendInitialEvents"):
            yield _bookmark(kind, start, view, initial_done=True)
        deadline = asyncio.get_running_loop().time() + timeout if timeout else None
        async for change in _until(watch.next, deadline):
            if watch.overflown:
                yield _line("ERROR", errors.expired("the watch fell too far behind").status())
                return
            seen = _seen(change, matches) if change else None
            if change is None and bookmarks:
                yield _bookmark(kind, store.version, view)
            elif change is not None and seen:
                yield _line(seen, view.row(kind, change.object, heads=heads))
                heads = False
    finally:
        store.unwatch(kind.resource, watch)


async def _until(wait: Any, deadline: float | None) -> AsyncIterator[Change | None]:
    """Yield changes as they come and None each time nothing came for a while, until the deadline."""
    loop = asyncio.get_running_loop()
    while deadline is None or loop.time() < deadline:
        left = BOOKMARK_SECONDS if deadline is None else min(BOOKMARK_SECONDS, deadline - loop.time())
        try:
            yield await asyncio.wait_for(wait(), max(left, 0.001))
        except TimeoutError:
            yield None


def _seen(change: Change, matches: Matcher) -> str | None:
    """Return what a selective watcher sees of a change: a type, or nothing."""
    before = change.previous is not None and matches(change.previous)
    if change.type == "DELETED":
        return "DELETED" if before else None
    now = matches(change.object)
    if now:
        return "MODIFIED" if before else "ADDED"
    return "DELETED" if before else None


def _bookmark(kind: Kind, version: int, view: View, *, initial_done: bool = False) -> bytes:
    metadata: dict[str, Any] = {"resourceVersion": str(version)}
    if initial_done:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    obj: Object = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
    if view.table:
        obj = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": None,
               "rows": []}  # fmt: skip
    return _line("BOOKMARK", obj)


def _line(kind: str, obj: Object) -> bytes:
    return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"
