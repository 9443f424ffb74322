"""From a suite to the pod of one attempt: resources, secrets, volumes and placement as the definition says. Pure."""

from __future__ import annotations

from typing import Any

from gauntlet.kube import secrets
from gauntlet.kube.pods import AgentPod
from gauntlet.settings import Settings
from gauntlet.testing.suite import TestSuite, VolumeMount

INVENTORY = "inventory"
SHARD = "shard"


def suite_pod(
    suite: TestSuite,
    settings: Settings,
    *,
    execution: str,
    shard: int,
    attempt: int,
    order_url: str,
    store_claim: str,
) -> AgentPod:
    """The pod of one attempt of a shard, or of the inventory when ``shard`` is -1."""
    config = suite.config
    component = INVENTORY if shard < 0 else SHARD
    return AgentPod(
        title=suite.name,
        execution=execution,
        component=component,
        shard=shard,
        attempt=attempt,
        order_url=order_url,
        namespace=settings.namespace,
        image=config.image or settings.runner_image,
        image_pull_policy=settings.image_pull_policy,
        resources=_resources(suite),
        timeout_seconds=config.timeout,
        grace_period_seconds=config.grace_period_seconds,
        store_claim=store_claim,
        cache_claim=settings.cache_claim,
        # Shards share the built environment; only the inventory's pod may leave compiled files in it.
        cache_read_only=component == SHARD,
        service_account=config.service_account or settings.service_account,
        service_account_token=bool(config.service_account),
        labels=dict(suite.labels),
        env=[
            variable
            for name, value in sorted(suite.environment().items())
            if secrets.refers(value)
            for variable in secrets.variables(name, value)
        ],
        volumes=[_volume(volume) for volume in config.volumes],
        volume_mounts=[_mount(volume) for volume in config.volumes],
        node_selector=dict(config.node_selector),
        tolerations=[_filled(toleration.model_dump(by_alias=True)) for toleration in config.tolerations],
        affinity=dict(config.affinity),
    )


def _resources(suite: TestSuite) -> dict[str, dict[str, str]]:
    wanted = suite.resources
    requests = {"cpu": wanted.cpu_request, "memory": wanted.memory_request}
    limits: dict[str, str] = {}
    if wanted.cpu_limit:
        limits["cpu"] = wanted.cpu_limit
    if wanted.memory_limit:
        limits["memory"] = wanted.memory_limit
    if wanted.ephemeral_storage:
        requests["ephemeral-storage"] = limits["ephemeral-storage"] = wanted.ephemeral_storage
    if wanted.gpu_request:
        requests["nvidia.com/gpu"] = limits["nvidia.com/gpu"] = str(wanted.gpu_request)
    return {"requests": requests, **({"limits": limits} if limits else {})}


def _volume(volume: VolumeMount) -> dict[str, Any]:
    name = f"user-{volume.name}"
    if volume.config_map:
        return {"name": name, "configMap": {"name": volume.config_map}}
    if volume.secret:
        return {"name": name, "secret": {"secretName": volume.secret}}
    if volume.persistent_volume_claim:
        return {"name": name, "persistentVolumeClaim": {"claimName": volume.persistent_volume_claim}}
    return {"name": name, "emptyDir": volume.empty_dir}


def _mount(volume: VolumeMount) -> dict[str, Any]:
    mount = {"name": f"user-{volume.name}", "mountPath": volume.mount_path, "readOnly": volume.read_only}
    return {**mount, **({"subPath": volume.sub_path} if volume.sub_path else {})}


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", None)}
