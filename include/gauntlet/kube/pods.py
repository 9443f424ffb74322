"""The pod of one attempt, as plain Kubernetes JSON. Pure: the same input gives the same manifest.

Every pod made here satisfies Pod Security ``restricted``: non-root, no capabilities, the runtime's default
seccomp profile, a read-only root (work, home and temporary files are in an ``emptyDir``), and no service-account
token unless the suite names a service account.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from gauntlet.testing.suite import SECRET_REFERENCE, TestSuite

CONTAINER = "tests"
INIT_CONTAINER = "prepare"
LABEL_PREFIX = "gauntlet.dev"
EXECUTION_LABEL = f"{LABEL_PREFIX}/execution"
SHARD_LABEL = f"{LABEL_PREFIX}/shard"
ATTEMPT_LABEL = f"{LABEL_PREFIX}/attempt"
SUITE_LABEL = f"{LABEL_PREFIX}/suite"
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED_SELECTOR = "app.kubernetes.io/managed-by=gauntlet"
DEFAULT_SECRET = "gauntlet-secrets"  # noqa: S105  (the name of a Kubernetes Secret)

WORK = "/gauntlet/work"
STORE = "/gauntlet/store"
CACHE = "/gauntlet/cache"
_USER = 65532
# Fetching content and building an environment are not the tests' time, but they must end too.
_PREPARE_SECONDS = 3600


@dataclass(frozen=True)
class PodPlan:
    """What the pod of one attempt depends on, beside its suite.

    :param component: ``inventory`` or ``shard``.
    :param shard: index from 0; -1 for an inventory.
    :param order_url: where the agent reads its order: an address, or a path below the mounted store.
    :param image: the runner's image.
    :param store_claim: the claim that shows a ``file://`` store; empty when pods use addresses.
    :param cache_claim: the claim that keeps built environments; empty for none.
    """

    suite: TestSuite
    execution: str
    component: str
    shard: int
    attempt: int
    order_url: str
    namespace: str
    image: str
    image_pull_policy: str
    store_claim: str
    cache_claim: str
    service_account: str
    extra_labels: dict[str, str] = field(default_factory=dict)


def pod_name(plan: PodPlan) -> str:
    """A name that people recognise: the suite, the execution, the part and the attempt."""
    suite = re.sub(r"[^a-z0-9]+", "-", plan.suite.name.lower()).strip("-")[:20].strip("-") or "suite"
    part = plan.component if plan.shard < 0 else f"{plan.component}-{plan.shard}"
    return f"{suite}-{plan.execution.removeprefix('exec-')}-{part}-{plan.attempt}"


def execution_selector(execution: str) -> str:
    """The label selector of all pods of one execution."""
    return f"{MANAGED_SELECTOR},{EXECUTION_LABEL}={execution}"


def attempt_pod(plan: PodPlan) -> dict[str, Any]:
    """The pod's manifest."""
    suite, config = plan.suite, plan.suite.config
    service_account = config.service_account or plan.service_account
    # Shards share the built environment, so only preparing and collecting may write to it.
    shared_read_only = plan.component == "shard"
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": bool(config.service_account),
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": config.grace_period_seconds + 15,
        "activeDeadlineSeconds": config.timeout + config.grace_period_seconds + _PREPARE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [_container(plan, INIT_CONTAINER, "prepare", cache_read_only=False)],
        "containers": [_container(plan, CONTAINER, "run", cache_read_only=shared_read_only)],
        "volumes": [*_volumes(plan), *(_user_volume(volume) for volume in _distinct(suite))],
    }
    if service_account:
        spec["serviceAccountName"] = service_account
    if config.node_selector:
        spec["nodeSelector"] = dict(config.node_selector)
    if config.tolerations:
        spec["tolerations"] = [_toleration(item.model_dump(by_alias=True)) for item in config.tolerations]
    if config.affinity:
        spec["affinity"] = dict(config.affinity)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(plan), "spec": spec}


def secret_variable(name: str, value: str) -> list[dict[str, Any]]:
    """The pod variables for one value that refers to secrets.

    A value that is one reference becomes a ``secretKeyRef``; a reference inside a longer text gets a variable of
    its own, which Kubernetes expands.
    """
    whole = SECRET_REFERENCE.fullmatch(value)
    if whole:
        return [{"name": name, "valueFrom": {"secretKeyRef": _key_ref(whole)}}]
    parts: list[dict[str, Any]] = []

    def variable(match: re.Match[str]) -> str:
        part = f"GAUNTLET_SECRET_{name}_{len(parts)}"
        parts.append({"name": part, "valueFrom": {"secretKeyRef": _key_ref(match)}})
        return f"$({part})"

    # "$$" keeps Kubernetes from expanding what the author wrote as plain text.
    text = ""
    end = 0
    for match in SECRET_REFERENCE.finditer(value):
        text += value[end : match.start()].replace("$(", "$$(") + variable(match)
        end = match.end()
    text += value[end:].replace("$(", "$$(")
    return [*parts, {"name": name, "value": text}]


def _key_ref(match: re.Match[str]) -> dict[str, str]:
    return {"name": match["name"] or DEFAULT_SECRET, "key": match["key"]}


def _metadata(plan: PodPlan) -> dict[str, Any]:
    suite = re.sub(r"[^A-Za-z0-9_.-]+", "-", plan.suite.name)[:63].strip("-_.")
    labels = {
        **plan.suite.labels,
        "app.kubernetes.io/name": "gauntlet",
        "app.kubernetes.io/managed-by": "gauntlet",
        COMPONENT_LABEL: plan.component,
        EXECUTION_LABEL: plan.execution,
        ATTEMPT_LABEL: str(plan.attempt),
        SUITE_LABEL: suite,
        **plan.extra_labels,
    }
    if plan.shard >= 0:
        labels[SHARD_LABEL] = str(plan.shard)
    return {"name": pod_name(plan), "namespace": plan.namespace, "labels": labels}


def _container(plan: PodPlan, name: str, verb: str, *, cache_read_only: bool) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = [
        {"name": "work", "mountPath": WORK},
        {"name": "work", "mountPath": "/tmp", "subPath": "tmp"},  # noqa: S108
    ]
    if plan.store_claim:
        mounts.append({"name": "store", "mountPath": STORE})
    if plan.cache_claim:
        mounts.append({"name": "cache", "mountPath": CACHE, "readOnly": cache_read_only})
    if name == CONTAINER:
        mounts.extend(_user_mount(volume.model_dump(by_alias=True)) for volume in plan.suite.config.volumes)
    return {
        "name": name,
        "image": plan.image,
        "imagePullPolicy": plan.image_pull_policy,
        "command": ["python3", "-m", "gauntlet.agent", verb],
        "env": _env(plan, with_secrets=name == CONTAINER),
        "resources": _resources(plan.suite),
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _env(plan: PodPlan, *, with_secrets: bool) -> list[dict[str, Any]]:
    env: list[dict[str, Any]] = [
        {"name": "GAUNTLET_ORDER_URL", "value": plan.order_url},
        {"name": "GAUNTLET_WORK", "value": WORK},
        {"name": "GAUNTLET_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "GAUNTLET_NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    if plan.store_claim:
        env.append({"name": "GAUNTLET_STORE_FOLDER", "value": STORE})
    if plan.cache_claim:
        env.append({"name": "GAUNTLET_CACHE_FOLDER", "value": CACHE})
    if with_secrets:
        for name, value in sorted(plan.suite.environment().items()):
            if SECRET_REFERENCE.search(value):
                env.extend(secret_variable(name, value))
    return env


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


def _volumes(plan: PodPlan) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [{"name": "work", "emptyDir": {}}]
    for name, claim in (("store", plan.store_claim), ("cache", plan.cache_claim)):
        if claim:
            volumes.append({"name": name, "persistentVolumeClaim": {"claimName": claim}})
    return volumes


def _distinct(suite: TestSuite) -> list[dict[str, Any]]:
    return [volume.model_dump(by_alias=True) for volume in suite.config.volumes]


def _user_volume(volume: dict[str, Any]) -> dict[str, Any]:
    name = f"user-{volume['name']}"
    if volume["configMap"]:
        return {"name": name, "configMap": {"name": volume["configMap"]}}
    if volume["secret"]:
        return {"name": name, "secret": {"secretName": volume["secret"]}}
    if volume["persistentVolumeClaim"]:
        return {"name": name, "persistentVolumeClaim": {"claimName": volume["persistentVolumeClaim"]}}
    return {"name": name, "emptyDir": volume["emptyDir"]}


def _user_mount(volume: dict[str, Any]) -> dict[str, Any]:
    mount = {"name": f"user-{volume['name']}", "mountPath": volume["mountPath"], "readOnly": volume["readOnly"]}
    return {**mount, **({"subPath": volume["subPath"]} if volume["subPath"] else {})}


def _toleration(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", None)}
