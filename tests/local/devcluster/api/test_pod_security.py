"""Pod Security admission, in its own words."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gauntlet.local.devcluster.api.pod_security import violations

GOOD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {"name": "c", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
    "volumes": [{"name": "v", "emptyDir": {}}, {"name": "bare"}],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    spec: Any = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place = spec
    for part in parents:
        place = place[int(part)] if part.isdigit() else place.setdefault(part, {})
    place[last] = value
    return dict(spec)


def test_a_pod_that_asks_for_nothing_special_satisfies_restricted() -> None:
    assert violations(GOOD, "restricted") == ""


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("hostNetwork", True, "host namespaces (hostNetwork=true)"),
        ("hostPID", True, "host namespaces (hostPID=true)"),
        ("containers.0.securityContext.privileged", True,
         'privileged (container "c" must not set securityContext.privileged=true)'),
        ("containers.0.ports", [{"containerPort": 80, "hostPort": 8080}],
         'hostPort (container "c" uses hostPort 8080)'),
        ("volumes", [{"name": "h", "hostPath": {"path": "/"}}],
         'restricted volume types (volume "h" uses restricted volume type "hostPath")'),
        ("securityContext.runAsUser", 0, "runAsUser=0 (pod must not set runAsUser=0)"),
        ("securityContext.runAsNonRoot", False,
         "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)"),
        ("securityContext.seccompProfile", {"type": "Unconfined"},
         'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'),
        ("containers.0.securityContext.capabilities", {"drop": ["ALL"], "add": ["NET_ADMIN"]},
         'unrestricted capabilities (container "c" must not include "NET_ADMIN" in '
         "securityContext.capabilities.add)"),
        ("containers.0.securityContext.allowPrivilegeEscalation", True,
         'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)'),
    ],
)  # fmt: skip
def test_restricted_names_what_is_wrong(path: str, value: Any, expected: str) -> None:
    assert violations(changed(path, value), "restricted") == expected


def test_a_bare_pod_violates_four_checks_of_restricted_and_none_of_baseline() -> None:
    bare = {"containers": [{"name": "a"}, {"name": "b"}]}
    assert violations(bare, "baseline") == ""
    found = violations(bare, "restricted")
    assert 'containers "a", "b" must set securityContext.allowPrivilegeEscalation=false' in found
    assert found.count(" != ") == 2
    assert "seccompProfile" in found
    assert "unrestricted capabilities" in found


def test_baseline_refuses_the_host_s_folders_and_privileged_allows_everything() -> None:
    spec = changed("volumes", [{"name": "h", "hostPath": {"path": "/"}}])
    assert violations(spec, "baseline") == 'hostPath volumes (volume "h")'
    assert violations(spec, "privileged") == ""


def test_init_containers_are_held_to_the_same() -> None:
    assert 'container "i"' in violations(changed("initContainers", [{"name": "i"}]), "restricted")
