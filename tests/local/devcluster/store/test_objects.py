"""The store's list and watch agree with each other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gauntlet.local.devcluster.store.objects import ObjectStore, VersionTooOldError, Watch


def named(name: str, namespace: str = "default") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}}


async def test_a_watch_sees_what_happened_since_its_version_and_what_comes() -> None:
    store = ObjectStore(first_version=10)
    store.put("pods", named("a"))
    since = store.version
    store.put("pods", named("b"))
    watch = store.watch("pods", since)
    store.put("pods", named("b"))
    store.remove("pods", "default", "a")
    seen = [await watch.next() for _ in range(3)]
    assert [(change.type, change.object["metadata"]["name"]) for change in seen] == [
        ("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "a"),
    ]  # fmt: skip
    versions = [int(change.object["metadata"]["resourceVersion"]) for change in seen]
    assert versions == sorted(set(versions))
    assert versions[-1] == store.version


async def test_a_version_the_history_has_lost_is_refused() -> None:
    store = ObjectStore(first_version=100, history_length=2)
    with pytest.raises(VersionTooOldError):
        store.watch("pods", 99)
    for number in range(4):
        store.put("pods", named(f"p{number}"))
    with pytest.raises(VersionTooOldError):
        store.watch("pods", 101)
    assert store.watch("pods", 102) is not None
    assert store.watch("secrets", 100) is not None


async def test_a_watch_that_is_stopped_is_fed_no_more() -> None:
    store = ObjectStore(first_version=1)
    watch = store.watch("pods", 1)
    store.unwatch("pods", watch)
    store.put("pods", named("a"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watch.next(), 0.01)


async def test_a_reader_that_is_too_slow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "LIMIT", 2)
    store = ObjectStore(first_version=1)
    watch = store.watch("pods", 1)
    for number in range(3):
        store.put("pods", named(f"p{number}"))
    assert watch.overflown


def test_objects_are_listed_in_order_and_by_namespace() -> None:
    store = ObjectStore(first_version=1)
    for name, namespace in (("b", "x"), ("a", "y"), ("a", "x")):
        store.put("pods", named(name, namespace))
    assert [(o["metadata"]["namespace"], o["metadata"]["name"]) for o in store.list("pods")] == [
        ("x", "a"), ("x", "b"), ("y", "a"),
    ]  # fmt: skip
    assert [o["metadata"]["name"] for o in store.list("pods", "y")] == ["a"]
