"""Every pod of a suite satisfies Pod Security `restricted` and carries secrets by reference only."""

from __future__ import annotations

from typing import Any

import pytest

from gauntlet.kube import pods
from gauntlet.settings import Settings
from gauntlet.testing.pods import suite_pod
from gauntlet.testing.suite import TestSuite

SETTINGS = Settings.from_env({"GAUNTLET_DATABASE_URL": "postgresql://x", "GAUNTLET_STORE_URL": "file:///s"})


def pod(shard: int = 0, **fields: Any) -> dict[str, Any]:
    suite = TestSuite.model_validate(
        {"kind": "TestSuite", "name": "Shop API!", "type": "pytest", "content": {"type": "package", "package": "x"}}
        | fields
    )
    settings = SETTINGS.model_copy(update={"cache_claim": "cache"})
    return pods.manifest(
        suite_pod(
            suite,
            settings,
            execution="exec-0123456789ab",
            shard=shard,
            attempt=2,
            order_url="/gauntlet/store/order.json",
            store_claim="store",
        )
    )


def containers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [*manifest["spec"]["initContainers"], *manifest["spec"]["containers"]]


def env(manifest: dict[str, Any]) -> dict[str, Any]:
    return {item["name"]: item for item in manifest["spec"]["containers"][0]["env"]}


@pytest.mark.parametrize("shard", [-1, 0])
def test_a_pod_satisfies_the_restricted_profile(shard: int) -> None:
    manifest = pod(shard)
    security = manifest["spec"]["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(manifest):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert all("hostPath" not in volume for volume in manifest["spec"]["volumes"])
    assert manifest["spec"]["automountServiceAccountToken"] is False


def test_a_pods_name_tells_suite_execution_shard_and_attempt() -> None:
    assert pod()["metadata"]["name"] == "shop-api-0123456789ab-shard-0-2"
    assert pod(-1)["metadata"]["name"] == "shop-api-0123456789ab-inventory-2"


def test_a_token_is_there_only_when_the_suite_asks_for_an_account() -> None:
    spec = pod(config={"serviceAccount": "tester"})["spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("tester", True)


def test_a_secret_is_a_reference_on_the_tests_container_alone() -> None:
    manifest = pod(env={"KEY": "${secrets.api_key}", "OTHER": "${secrets.vault/token}"})
    assert env(manifest)["KEY"]["valueFrom"] == {"secretKeyRef": {"name": "gauntlet-secrets", "key": "api_key"}}
    assert env(manifest)["OTHER"]["valueFrom"] == {"secretKeyRef": {"name": "vault", "key": "token"}}
    prepare = manifest["spec"]["initContainers"][0]
    assert not any("KEY" in item["name"] for item in prepare["env"])


def test_only_the_inventory_may_write_to_the_shared_environments() -> None:
    def writable(manifest: dict[str, Any]) -> bool:
        mounts = manifest["spec"]["containers"][0]["volumeMounts"]
        return not next(mount for mount in mounts if mount["name"] == "cache")["readOnly"]

    assert writable(pod(-1))
    assert not writable(pod(0))


def test_placement_and_volumes_are_taken_over() -> None:
    spec = pod(
        config={
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "spot", "operator": "Exists"}],
            "volumes": [{"name": "data", "mountPath": "/data", "configMap": "shop", "readOnly": True}],
        }
    )["spec"]
    assert spec["nodeSelector"] == {"disk": "ssd"}
    assert spec["tolerations"] == [{"key": "spot", "operator": "Exists"}]
    assert {"name": "user-data", "configMap": {"name": "shop"}} in spec["volumes"]
    assert {"name": "user-data", "mountPath": "/data", "readOnly": True} in spec["containers"][0]["volumeMounts"]
