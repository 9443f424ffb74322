"""Requests are taken apart as clients send them."""

from __future__ import annotations

import pytest

from gauntlet.local.devcluster.api.errors import ApiError
from gauntlet.local.devcluster.api.requests import Target, delete_options, parse_body, parse_patch, parse_path


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/pods", Target("", "v1", "pods")),
        ("/api/v1/namespaces", Target("", "v1", "namespaces")),
        ("/api/v1/namespaces/x", Target("", "v1", "namespaces", name="x")),
        ("/api/v1/namespaces/x/status", Target("", "v1", "namespaces", name="x", subresource="status")),
        ("/api/v1/namespaces/x/pods", Target("", "v1", "pods", "x")),
        ("/api/v1/namespaces/x/pods/p/log", Target("", "v1", "pods", "x", "p", "log")),
        ("/api/v1/nodes/n/status", Target("", "v1", "nodes", name="n", subresource="status")),
        ("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
         Target("authorization.k8s.io", "v1", "selfsubjectaccessreviews")),
    ],
)  # fmt: skip
def test_a_path_names_a_target(path: str, target: Target) -> None:
    assert parse_path(path) == target


@pytest.mark.parametrize("path", ["/api/v2/pods", "/apis/apps/v1/deployments", "/api/v1", "/api/v1/pods/a/b/c"])
def test_a_path_to_nothing_is_not_found(path: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse_path(path)
    assert refusal.value.code == 404


def test_deletion_is_told_by_body_and_by_query() -> None:
    assert delete_options({"gracePeriodSeconds": "5"}, None).grace_period_seconds == 5
    assert delete_options({"gracePeriodSeconds": "5"}, {"gracePeriodSeconds": 0}).grace_period_seconds == 0
    assert delete_options({"propagationPolicy": "Orphan"}, None).orphan_dependents
    assert delete_options({}, {"preconditions": {"uid": "u"}, "dryRun": ["All"]}).uid == "u"
    with pytest.raises(ApiError, match="gracePeriodSeconds"):
        delete_options({"gracePeriodSeconds": "soon"}, None)


def test_bodies_may_be_json_or_yaml_but_no_bomb() -> None:
    assert parse_body(b'{"a": 1}', "application/json; charset=utf-8") == {"a": 1}
    assert parse_body(b"a: 1", "application/yaml") == {"a": 1}
    assert parse_body(b"", "application/json") is None
    for bad, kind in ((b"{", "application/json"), (b"a: &x [1]\nb: *x", "application/yaml"),
                      (b"!!python/object/apply:os.getcwd []", "application/yaml")):  # fmt: skip
        with pytest.raises(ApiError) as refusal:
            parse_body(bad, kind)
        assert refusal.value.code == 400


def test_an_unknown_kind_of_patch_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ApiError, match="strategic-merge-patch") as refusal:
        parse_patch(b"{}", "application/json")
    assert refusal.value.code == 415
