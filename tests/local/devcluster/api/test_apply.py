"""Server-side apply: who set what decides what an apply removes and where it conflicts."""

from __future__ import annotations

from typing import Any

from gauntlet.local.devcluster.api import apply


def applied(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}, "data": data}


def test_what_a_manager_stops_applying_is_removed() -> None:
    first = apply.merge(None, applied(a="1", b="2"), "me", "now")
    second = apply.merge(first, applied(a="1"), "me", "now")
    assert second["data"] == {"a": "1"}


def test_what_another_manager_also_applies_stays() -> None:
    first = apply.merge(None, applied(a="1", b="2"), "me", "now")
    both = apply.merge(first, applied(b="2"), "you", "now")
    assert apply.merge(both, applied(a="1"), "me", "now")["data"] == {"a": "1", "b": "2"}


def test_two_managers_conflict_over_a_different_value_only() -> None:
    first = apply.merge(None, applied(a="1", b="2"), "me", "now")
    assert apply.conflicts(first, applied(a="1"), "you") == []
    assert apply.conflicts(first, applied(b="3"), "you") == [("me", ".data.b")]
    assert apply.conflicts(first, applied(b="3"), "me") == []


def test_list_items_are_owned_by_their_key() -> None:
    def pod(*names: str) -> dict[str, Any]:
        return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": n, "image": n} for n in names]}}

    first = apply.merge(None, pod("a", "b"), "me", "now")
    fields = first["metadata"]["managedFields"][0]["fieldsV1"]
    assert fields["f:spec"]["f:containers"]['k:{"name":"a"}'] == {".": {}, "f:name": {}, "f:image": {}}
    second = apply.merge(first, pod("b"), "me", "now")
    assert [c["name"] for c in second["spec"]["containers"]] == ["b"]
    changed = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "b", "image": "x"}]}}
    assert apply.conflicts(second, changed, "you") == [("me", '.spec.containers[name="b"].image')]


def test_the_server_s_own_fields_are_owned_by_nobody() -> None:
    assert "f:metadata" not in apply.owned_fields(applied(a="1"))
