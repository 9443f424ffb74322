"""Environments are made as a kubelet makes them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.local.devcluster.node.environment import ConfigError, Surroundings, environment, expand

POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"a": 'x"y'}, "annotations": {"n/k": "v"}},
    "spec": {"nodeName": "node", "serviceAccountName": "sa",
             "containers": [{"name": "big", "resources": {"limits": {"memory": "1Gi"}}}]},
    "status": {"podIP": "10.0.0.1", "hostIP": "10.0.0.2"},
}  # fmt: skip
OBJECTS: dict[tuple[str, str], dict[str, Any]] = {
    ("Secret", "s"): {"data": {"k": base64.b64encode(b"hidden").decode()}},
    ("ConfigMap", "c"): {"data": {"k": "open"}},
}
AROUND = Surroundings(POD, lambda kind, name: OBJECTS.get((kind, name)), {"cpu": "4", "memory": "8Gi"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$A $( ", "$A $( "), ("$(A)$(A)", "11"), ("$$$(A)", "$1")],
)
def test_references_are_expanded(text: str, expected: str) -> None:
    assert expand(text, {"A": "1"}) == expected


@given(st.text(alphabet="abc() ", max_size=20))
def test_text_without_a_dollar_is_left_alone(text: str) -> None:
    assert expand(text, {"a": "1"}) == text


def variable(source: dict[str, Any], **container: Any) -> str | None:
    found = environment({"name": "c", "env": [{"name": "X", "valueFrom": source}], **container}, AROUND)
    return found.get("X")


@pytest.mark.parametrize(
    ("path", "expected"),
    [("metadata.name", "p"), ("metadata.namespace", "ns"), ("metadata.uid", "u"), ("metadata.labels['a']", 'x"y'),
     ("metadata.annotations['n/k']", "v"), ("metadata.labels['none']", ""), ("metadata.labels", 'a="x\\"y"'),
     ("spec.nodeName", "node"), ("spec.serviceAccountName", "sa"), ("status.podIP", "10.0.0.1")],
)  # fmt: skip
def test_fields_of_the_pod_become_values(path: str, expected: str) -> None:
    assert variable({"fieldRef": {"fieldPath": path}}) == expected


def test_a_field_that_cannot_be_had_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"unsupported fieldPath: status\.phase"):
        variable({"fieldRef": {"fieldPath": "status.phase"}})


@pytest.mark.parametrize(
    ("reference", "expected"),
    [({"resource": "limits.cpu"}, "4"), ({"resource": "requests.cpu", "divisor": "1m"}, "250"),
     ({"resource": "limits.memory", "divisor": "1Mi"}, "8192"), ({"resource": "requests.memory"}, "0"),
     ({"resource": "limits.memory", "containerName": "big", "divisor": "1Gi"}, "1")],
)  # fmt: skip
def test_resources_become_whole_numbers_of_their_divisor(reference: dict[str, str], expected: str) -> None:
    assert variable({"resourceFieldRef": reference}, resources={"requests": {"cpu": "250m"}}) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [({"secretKeyRef": {"name": "none", "key": "k"}}, 'secret "none" not found'),
     ({"secretKeyRef": {"name": "s", "key": "z"}}, "couldn't find key z in Secret ns/s"),
     ({"configMapKeyRef": {"name": "none", "key": "k"}}, 'configmap "none" not found'),
     ({"configMapKeyRef": {"name": "c", "key": "z"}}, "couldn't find key z in ConfigMap ns/c")],
)  # fmt: skip
def test_what_is_missing_is_named_as_a_kubelet_names_it(source: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as problem:
        variable(source)
    assert str(problem.value) == message
    optional = {kind: {**reference, "optional": True} for kind, reference in source.items()}
    assert variable(optional) is None


def test_later_variables_win_and_may_refer_to_earlier_ones() -> None:
    container = {
        "name": "c",
        "envFrom": [{"configMapRef": {"name": "c"}}, {"prefix": "S_", "secretRef": {"name": "s"}}],
        "env": [{"name": "A", "value": "$(k)-$(S_k)"}, {"name": "k", "value": "mine"}, {"name": "B", "value": "$(k)"}],
    }
    assert environment(container, AROUND) == {"k": "mine", "S_k": "hidden", "A": "open-hidden", "B": "mine"}
