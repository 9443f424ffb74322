"""The object store: the same behaviour on a folder and on S3, and nothing outside of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.storage.objects import (
    BadPathError,
    ObjectMissingError,
    ObjectStore,
    StoreError,
    StoreLocation,
    clean_path,
)


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """A store of each kind, empty."""
    if request.param == "file":
        return ObjectStore(StoreLocation(f"file://{tmp_path}/store"))
    endpoint: str = request.getfixturevalue("s3_endpoint")
    return ObjectStore(StoreLocation("s3://results/some/prefix", endpoint))


def test_what_was_written_is_read_listed_and_deleted(store: ObjectStore) -> None:
    store.write("runs/a/plan.json", b"one")
    store.write("runs/a/shards/0/manifest.json", b"two")
    store.write("runs/b/plan.json", b"three")
    store.write("runs/a/plan.json", b"one again")
    assert store.read("runs/a/plan.json") == b"one again"
    assert store.list("runs/a") == ["runs/a/plan.json", "runs/a/shards/0/manifest.json"]
    assert store.size("runs/b/plan.json") == 5
    assert store.exists("runs/a/plan.json")
    assert not store.exists("runs/a")
    with store.open("runs/a/plan.json") as stream:
        assert stream.read(3) == b"one"
    store.delete("runs/a")
    assert store.list("runs") == ["runs/b/plan.json"]
    store.delete("runs/a")


def test_what_is_not_there_is_said_to_be_missing(store: ObjectStore) -> None:
    assert store.list("runs/nothing") == []
    assert store.read_if_exists("runs/nothing") is None
    with pytest.raises(ObjectMissingError, match="runs/nothing: there is no such object"):
        store.read("runs/nothing")
    with pytest.raises(ObjectMissingError):
        store.size("runs/nothing")


def test_what_another_writer_adds_is_seen_at_once(store: ObjectStore) -> None:
    other = ObjectStore(StoreLocation(store.url, store.endpoint_url))
    store.write("runs/a/1", b"")
    assert store.list("runs/a") == ["runs/a/1"]
    other.write("runs/a/2", b"")
    assert store.list("runs/a") == ["runs/a/1", "runs/a/2"]
    assert store.exists("runs/a/2")


def test_a_prefix_ends_at_a_slash(store: ObjectStore) -> None:
    store.write("runs/exec-1/a", b"")
    store.write("runs/exec-12/a", b"")
    assert store.list("runs/exec-1") == ["runs/exec-1/a"]
    store.delete("runs/exec-1")
    assert store.exists("runs/exec-12/a")


def test_more_than_asked_for_is_not_read(store: ObjectStore) -> None:
    store.write("big", b"x" * 101)
    with pytest.raises(StoreError, match="longer than 100 bytes"):
        store.read("big", max_bytes=100)
    assert len(store.read("big", max_bytes=101)) == 101


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../up", "a/../../up", "a//b", "a/./b", "a/", "a\\..\\b", "a\0b", "a\nb"]
)
def test_a_path_that_could_mean_another_place_is_refused(store: ObjectStore, path: str) -> None:
    for use in (store.read, store.list, store.exists, store.delete, store.size, store.location):
        with pytest.raises(BadPathError):
            use(path)
    with pytest.raises(BadPathError):
        store.write(path, b"x")


@given(st.text())
def test_a_path_is_either_refused_or_stays_where_it_is(path: str) -> None:
    try:
        clean = clean_path(path)
    except BadPathError:
        return
    assert os.path.normpath(f"/root/{clean}") == f"/root/{path}"


def test_a_link_in_a_folder_store_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    store = ObjectStore(StoreLocation(f"file://{tmp_path}/store"))
    store.write("runs/a/true", b"x")
    (tmp_path / "store/runs/a/link").symlink_to(tmp_path / "secret")
    (tmp_path / "store/runs/a/up").symlink_to(tmp_path)
    assert store.list("runs/a") == ["runs/a/true"]
    for path in ("runs/a/link", "runs/a/up/secret"):
        with pytest.raises(BadPathError, match="a link leads out of the store"):
            store.read(path)
    with pytest.raises(BadPathError):
        store.write("runs/a/up/new", b"x")
    store.delete("runs/a")
    assert (tmp_path / "secret").read_text() == "hunter2"


def test_a_reader_of_a_folder_store_never_sees_half_a_file(tmp_path: Path) -> None:
    store = ObjectStore(StoreLocation(f"file://{tmp_path}"))
    store.write("a", b"old")
    with store.open("a") as stream:
        store.write("a", b"new and longer")
        assert stream.read() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_a_half_written_file_is_not_listed(tmp_path: Path) -> None:
    store = ObjectStore(StoreLocation(f"file://{tmp_path}"))
    store.write("runs/a", b"x")
    (tmp_path / "runs/.a.1234").write_bytes(b"half")
    assert store.list("runs") == ["runs/a"]


def test_a_folder_with_odd_characters_in_its_url_is_found(tmp_path: Path) -> None:
    (tmp_path / "with space").mkdir()
    store = ObjectStore(StoreLocation((tmp_path / "with space").as_uri()))
    store.write("a", b"x")
    assert (tmp_path / "with space" / "a").read_bytes() == b"x"
    assert store.location("a") == f"{tmp_path}/with space/a"


def test_an_object_s_location_in_s3_is_its_address() -> None:
    store = ObjectStore(StoreLocation("s3://results/some/prefix"))
    assert store.location("runs/a") == "s3://results/some/prefix/runs/a"
    assert (store.bucket, store.key_prefix, store.is_folder) == ("results", "some/prefix", False)


@pytest.mark.parametrize(
    "url", ["", "folder", "file://host/folder", "file:relative", "http://bucket", "s3://", "gs://b/p"]
)
def test_a_store_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="Set GAUNTLET_STORE_URL"):
        ObjectStore(StoreLocation(url))


def test_a_store_can_be_used_on_both_sides_of_a_fork(store: ObjectStore) -> None:
    store.write("before", b"x")
    child = os.fork()
    if child == 0:
        try:
            store.write("inside", store.read("before") + b"y")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert store.read("inside") == b"xy"
