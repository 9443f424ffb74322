"""Listing the cases: what is found, what is reused, and when there is nothing to plan with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Pod

FILES = {"test_a.py": "def test_one(): pass\ndef test_two(): pass\n"}


def listing(pod: Pod, files: dict[str, str], **fields: Any) -> int:
    """List the cases of some modules."""
    pod.write(files)
    pod.order(kind="inventory", shard=-1, **fields)
    pod.prepared()
    return pod.run()


def test_the_cases_are_listed_with_file_and_line(pod: Pod) -> None:
    assert listing(pod, FILES) == 0
    assert pod.inventory == [
        {"id": "test_a.py::test_one", "file": "test_a.py", "line": 1},
        {"id": "test_a.py::test_two", "file": "test_a.py", "line": 2},
    ]
    stored = {stored["path"]: stored["type"] for stored in pod.manifest["files"]}
    assert stored == {"inventory.jsonl": "inventory", "output.log": "log"}
    assert pod.manifest["counts"]["total"] == 2


def test_a_broken_module_is_an_entry_and_the_rest_is_listed(pod: Pod) -> None:
    assert listing(pod, {**FILES, "test_b.py": "import nothing_like_this\n"}) == 0
    broken = next(entry for entry in pod.inventory if entry["id"] == "test_b.py")
    assert "nothing_like_this" in broken["error"]
    assert len(pod.inventory) == 3
    assert pod.manifest["state"] == "completed"


def test_nothing_found_is_no_inventory(pod: Pod) -> None:
    assert listing(pod, {"readme.py": ""}) == 0
    assert (pod.manifest["state"], pod.manifest["cause"]) == ("could-not-run", "NoTests")


def test_a_path_that_is_not_there_fails_the_collection_and_says_so(pod: Pod) -> None:
    command = ["{python}", "-m", "pytest", "-p", "gauntlet_pytest", "--rootdir={content}", "no_such_folder"]
    assert listing(pod, FILES, command=command) == 0
    assert (pod.manifest["state"], pod.manifest["cause"]) == ("could-not-run", "CollectionFailed")
    assert "no_such_folder" in pod.manifest["details"]


def test_a_known_inventory_is_taken_from_the_cache(pod: Pod) -> None:
    assert listing(pod, FILES, inventory_key="k1") == 0
    first = pod.inventory
    (pod.content / "test_a.py").unlink()
    assert pod.run() == 0
    assert pod.inventory == first
    assert pod.manifest["counts"]["total"] == 2


def test_an_inventory_with_errors_is_not_kept_for_others(pod: Pod) -> None:
    listing(pod, {**FILES, "test_b.py": "import nothing_like_this\n"}, inventory_key="k1")
    assert not list(pod.cache.rglob("*.jsonl"))


def test_a_key_that_is_a_path_is_not_used(pod: Pod) -> None:
    listing(pod, FILES, inventory_key="../../k1")
    assert not list(pod.root.rglob("k1*"))


def test_a_collection_that_hangs_times_out(pod: Pod) -> None:
    files = {"test_a.py": "import time\ntime.sleep(600)\n"}
    assert listing(pod, files, timeout_seconds=1, grace_period_seconds=0.2) == 0
    assert (pod.manifest["state"], pod.manifest["cause"]) == ("timeout", "TimedOut")
