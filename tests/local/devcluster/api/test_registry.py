"""The verbs' meaning, in process: what is strange is refused, never a failure."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gauntlet.local.devcluster.api import patching
from gauntlet.local.devcluster.api.errors import ApiError
from gauntlet.local.devcluster.api.kinds import BY_RESOURCE
from gauntlet.local.devcluster.api.registry import DeleteOptions, Registry, WriteOptions
from gauntlet.local.devcluster.store.objects import ObjectStore

PODS = BY_RESOURCE["pods"]
RICH: dict[str, Any] = {
    "metadata": {"name": "p", "labels": {"a": "b"}, "annotations": {"c": "d"}},
    "spec": {
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 3, "activeDeadlineSeconds": 9,
        "securityContext": {"runAsNonRoot": True}, "tolerations": [{"key": "k", "operator": "Exists"}],
        "initContainers": [{"name": "i", "image": "busybox", "restartPolicy": "Always"}],
        "containers": [{
            "name": "c", "image": "busybox", "command": ["a"], "args": ["b"],
            "env": [{"name": "A", "value": "1"},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
            "envFrom": [{"configMapRef": {"name": "m"}}], "ports": [{"containerPort": 80}],
            "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi"}},
            "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "s"}],
            "livenessProbe": {"httpGet": {"port": 80}}, "lifecycle": {"preStop": {"exec": {"command": ["x"]}}},
        }],
        "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}},
                    {"name": "w", "projected": {"sources": [{"secret": {"name": "s"}}]}}],
    },
}  # fmt: skip


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every part of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in items for found in paths(item, (*path, key)))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "1Gi", "../x", "/", "$(A"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "key", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def registry() -> Registry:
    found = Registry(ObjectStore(first_version=1))
    found.create(BY_RESOURCE["namespaces"], "", {"metadata": {"name": "ns"}}, WriteOptions())
    return found


def test_the_rich_pod_is_accepted(registry: Registry) -> None:
    made = registry.create(PODS, "ns", RICH, WriteOptions(dry_run=True, field_validation="Strict"))
    assert made["status"]["qosClass"] == "Burstable"
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}
    assert made["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    assert made["spec"]["containers"][0]["livenessProbe"]["periodSeconds"] == 10


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(paths(RICH)[1:]), JSON)
def test_a_strange_pod_is_refused_or_accepted_but_breaks_nothing(where: tuple[Any, ...], value: Any) -> None:
    registry = Registry(ObjectStore(first_version=1))
    registry.create(BY_RESOURCE["namespaces"], "", {"metadata": {"name": "ns"}}, WriteOptions())
    body: Any = copy.deepcopy(RICH)
    place = body
    for part in where[:-1]:
        place = place[part]
    place[where[-1]] = value
    with contextlib.suppress(ApiError):
        registry.create(PODS, "ns", body, WriteOptions())


def around(where: tuple[Any, ...], value: Any) -> Any:
    """Return a document that has `value` at a path, and nothing else."""
    for part in reversed(where):
        value = {part: value} if isinstance(part, str) else [value]
    return value


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(patching.KINDS), st.sampled_from(paths(RICH)), JSON)
def test_a_strange_patch_is_refused_or_accepted_but_breaks_nothing(
    kind: str, where: tuple[Any, ...], value: Any
) -> None:
    registry = Registry(ObjectStore(first_version=1))
    registry.create(BY_RESOURCE["namespaces"], "", {"metadata": {"name": "ns"}}, WriteOptions())
    registry.create(PODS, "ns", RICH, WriteOptions())
    pointer = "".join(f"/{part}" for part in where)
    body = [{"op": "add", "path": pointer, "value": value}] if kind == patching.JSON else around(where, value)
    for subresource in ("", "status"):
        with contextlib.suppress(ApiError):
            registry.patch(PODS, "ns", "p", patching.Patch(kind, body), WriteOptions(), subresource=subresource)


def test_what_a_reference_lacks_is_required(registry: Registry) -> None:
    body = copy.deepcopy(RICH)
    del body["spec"]["containers"][0]["env"][1]["valueFrom"]["secretKeyRef"]["key"]
    with pytest.raises(ApiError, match=r"spec.containers\[0\].env\[1\].valueFrom.secretKeyRef.key: Required value"):
        registry.create(PODS, "ns", body, WriteOptions())


def test_a_pod_on_a_node_is_deleted_gracefully_and_a_shorter_grace_wins(registry: Registry) -> None:
    pod = registry.create(PODS, "ns", {**RICH, "metadata": {"name": "graceful"}}, WriteOptions())
    registry.store.put("pods", {**pod, "spec": {**pod["spec"], "nodeName": "n"}})
    for asked, expected in ((None, 3), (60, 3), (1, 1)):
        marked = registry.delete(PODS, "ns", "graceful", DeleteOptions(grace_period_seconds=asked))
        assert marked["metadata"]["deletionGracePeriodSeconds"] == expected
    registry.delete(PODS, "ns", "graceful", DeleteOptions(grace_period_seconds=0))
    with pytest.raises(ApiError, match='pods "graceful" not found'):
        registry.get(PODS, "ns", "graceful")


def test_a_pod_on_no_node_is_gone_at_once(registry: Registry) -> None:
    registry.create(PODS, "ns", {**RICH, "metadata": {"name": "waiting"}}, WriteOptions())
    registry.delete(PODS, "ns", "waiting", DeleteOptions())
    assert registry.store.get("pods", "ns", "waiting") is None


def test_a_pod_for_an_account_that_is_not_there_is_forbidden(registry: Registry) -> None:
    body = {**RICH, "spec": {**RICH["spec"], "serviceAccountName": "ghost"}}
    with pytest.raises(ApiError, match='serviceaccount "ghost" not found'):
        registry.create(PODS, "ns", body, WriteOptions())
