"""Patches do what their standards and Kubernetes say, and never change what they were given."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.local.devcluster.store.patches import PatchError, json_patch, merge_patch, strategic_merge

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


@given(DOCUMENTS, DOCUMENTS)
def test_a_merge_patch_applied_twice_changes_nothing_more(document: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge_patch(document, patch)
    assert merge_patch(once, patch) == once


@given(DOCUMENTS, DOCUMENTS)
def test_patches_leave_their_inputs_alone(document: dict[str, Any], patch: dict[str, Any]) -> None:
    before = copy.deepcopy((document, patch))
    merge_patch(document, patch)
    strategic_merge(document, patch)
    json_patch(document, [{"op": "add", "path": "/new", "value": patch}])
    assert (document, patch) == before


def test_a_null_in_a_merge_patch_removes() -> None:
    assert merge_patch({"a": {"b": 1, "c": 2}, "l": [1, 2]}, {"a": {"b": None}, "l": [3]}) == {"a": {"c": 2}, "l": [3]}


def test_a_json_patch_does_each_operation_in_turn() -> None:
    operations = [
        {"op": "test", "path": "/a/0", "value": 1}, {"op": "add", "path": "/a/-", "value": 3},
        {"op": "add", "path": "/a/1", "value": 9}, {"op": "replace", "path": "/b~1c", "value": "x"},
        {"op": "copy", "from": "/a", "path": "/d"}, {"op": "move", "from": "/a/0", "path": "/e"},
        {"op": "remove", "path": "/d/0"},
    ]  # fmt: skip
    result = json_patch({"a": [1, 2], "b/c": "y"}, operations)
    assert result == {"a": [9, 2, 3], "b/c": "x", "d": [9, 2, 3], "e": 1}


@pytest.mark.parametrize(
    "operation",
    [{"op": "test", "path": "/a", "value": 2}, {"op": "remove", "path": "/zz"}, {"op": "replace", "path": "/zz"},
     {"op": "fly", "path": "/a"}, {"op": "add", "path": "a", "value": 1}, {"op": "add", "path": "/l/9", "value": 1},
     {"op": "add", "path": "/l/x", "value": 1}, {"path": "/a"}],
)  # fmt: skip
def test_a_json_patch_that_does_not_fit_is_refused(operation: dict[str, Any]) -> None:
    with pytest.raises(PatchError):
        json_patch({"a": 1, "l": []}, [operation])


def test_a_strategic_merge_matches_containers_by_name_and_ports_by_number() -> None:
    document = {
        "containers": [{"name": "a", "image": "1", "ports": [{"containerPort": 1, "name": "x"}]}, {"name": "b"}]
    }
    patch = {"containers": [{"name": "a", "image": "2", "ports": [{"containerPort": 1, "name": "y"}]}]}
    assert strategic_merge(document, patch) == {
        "containers": [{"name": "a", "image": "2", "ports": [{"containerPort": 1, "name": "y"}]}, {"name": "b"}]
    }


def test_a_strategic_merge_obeys_its_directives() -> None:
    document = {
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "emptyDir": {}}],
        "finalizers": ["a", "b"], "tolerations": [{"key": "x"}], "labels": {"a": "1"},
    }  # fmt: skip
    patch = {
        "volumes": [
            {"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}},
            {"name": "w", "$patch": "delete"},
        ],
        "$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"], "tolerations": [{"key": "y"}],
        "labels": {"$patch": "replace", "b": "2"},
    }  # fmt: skip
    assert strategic_merge(document, patch) == {
        "volumes": [{"name": "v", "hostPath": {"path": "/x"}}],
        "finalizers": ["b", "c"], "tolerations": [{"key": "y"}], "labels": {"b": "2"},
    }  # fmt: skip


def test_a_strategic_merge_can_give_a_list_an_order() -> None:
    document = {"env": [{"name": "a"}, {"name": "b"}]}
    patch = {"$setElementOrder/env": [{"name": "b"}, {"name": "c"}, {"name": "a"}], "env": [{"name": "c"}]}
    assert [item["name"] for item in strategic_merge(document, patch)["env"]] == ["b", "c", "a"]


def test_a_list_item_without_its_key_is_refused() -> None:
    with pytest.raises(PatchError, match="merge key: name"):
        strategic_merge({"containers": []}, {"containers": [{"image": "x"}]})
