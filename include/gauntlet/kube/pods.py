"""The pod in which an agent works, as plain Kubernetes JSON. Pure: the same input gives the same manifest.

Every pod made here satisfies Pod Security ``restricted``: non-root, no capabilities, the runtime's default
seccomp profile, a read-only root (work, home and temporary files are in an ``emptyDir``), and no service-account
token unless one is asked for. This room knows no kind of run: those fill in an :class:`AgentPod`.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any

CONTAINER = "tests"
INIT_CONTAINER = "prepare"
EXECUTION_LABEL = "gauntlet.dev/execution"
SHARD_LABEL = "gauntlet.dev/shard"
ATTEMPT_LABEL = "gauntlet.dev/attempt"
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED_SELECTOR = "app.kubernetes.io/managed-by=gauntlet"

WORK = "/gauntlet/work"
STORE = "/gauntlet/store"
CACHE = "/gauntlet/cache"
_USER = 65532
# Fetching content and building an environment are not the tests' time, but they must end too.
_PREPARE_SECONDS = 3600
# The agent stops the tool within its grace period, and then still has to upload what there is.
_UPLOAD_SECONDS = 15

Json = dict[str, Any]


@dataclass(frozen=True)
class AgentPod:
    """What a pod depends on.

    :param title: of what it works for; becomes part of its name and a label.
    :param execution: public id of the execution.
    :param component: what it does there, such as ``inventory`` or ``shard``.
    :param shard: index from 0; -1 when it is no shard.
    :param attempt: from 1.
    :param order_url: where the agent reads its order: an address, or a path below the mounted store.
    :param resources: Kubernetes ``requests`` and ``limits``.
    :param timeout_seconds: of the work itself.
    :param store_claim: the claim that shows a ``file://`` store; empty when pods use addresses.
    :param cache_claim: the claim that keeps built environments; empty for none.
    :param cache_read_only: whether the main container may only read it.
    :param env: further variables of the main container, as Kubernetes ``env`` entries.
    :param volumes: further volumes. :param volume_mounts: of the main container.
    """

    title: str
    execution: str
    component: str
    shard: int
    attempt: int
    order_url: str
    namespace: str
    image: str
    image_pull_policy: str
    resources: Json
    timeout_seconds: int
    grace_period_seconds: int
    store_claim: str = ""
    cache_claim: str = ""
    cache_read_only: bool = True
    service_account: str = ""
    service_account_token: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    env: list[Json] = field(default_factory=list)
    volumes: list[Json] = field(default_factory=list)
    volume_mounts: list[Json] = field(default_factory=list)
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[Json] = field(default_factory=list)
    affinity: Json = field(default_factory=dict)


def execution_selector(execution: str) -> str:
    """The label selector of all pods of one execution."""
    return f"{MANAGED_SELECTOR},{EXECUTION_LABEL}={execution}"


def pod_name(pod: AgentPod) -> str:
    """A name that people recognise: the title, the execution, the part and the attempt."""
    title = re.sub(r"[^a-z0-9]+", "-", pod.title.lower()).strip("-")[:20].strip("-") or "run"
    part = pod.component if pod.shard < 0 else f"{pod.component}-{pod.shard}"
    return f"{title}-{pod.execution.removeprefix('exec-')}-{part}-{pod.attempt}"


def manifest(pod: AgentPod) -> Json:
    """The pod's manifest."""
    main = _container(pod, CONTAINER, "run", cache_read_only=pod.cache_read_only)
    main["env"] += pod.env
    main["volumeMounts"] += pod.volume_mounts
    spec: Json = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": pod.service_account_token,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": pod.grace_period_seconds + _UPLOAD_SECONDS,
        "activeDeadlineSeconds": pod.timeout_seconds + pod.grace_period_seconds + _PREPARE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [_container(pod, INIT_CONTAINER, "prepare", cache_read_only=False)],
        "containers": [main],
        "volumes": [*_volumes(pod), *pod.volumes],
    }
    optional = {
        "serviceAccountName": pod.service_account,
        "nodeSelector": pod.node_selector,
        "tolerations": pod.tolerations,
        "affinity": pod.affinity,
    }
    spec.update({name: value for name, value in optional.items() if value})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(pod), "spec": spec}


def _metadata(pod: AgentPod) -> Json:
    labels = {
        **pod.labels,
        "app.kubernetes.io/name": "gauntlet",
        "app.kubernetes.io/managed-by": "gauntlet",
        "app.kubernetes.io/instance": re.sub(r"[^A-Za-z0-9_.-]+", "-", pod.title)[:63].strip("-_."),
        COMPONENT_LABEL: pod.component,
        EXECUTION_LABEL: pod.execution,
        ATTEMPT_LABEL: str(pod.attempt),
    }
    if pod.shard >= 0:
        labels[SHARD_LABEL] = str(pod.shard)
    return {"name": pod_name(pod), "namespace": pod.namespace, "labels": labels}


def _container(pod: AgentPod, name: str, verb: str, *, cache_read_only: bool) -> Json:
    mounts: list[Json] = [
        {"name": "work", "mountPath": WORK},
        {"name": "work", "mountPath": "/tmp", "subPath": "tmp"},  # noqa: S108
    ]
    env: list[Json] = [
        {"name": "GAUNTLET_ORDER_URL", "value": pod.order_url},
        {"name": "GAUNTLET_WORK", "value": WORK},
        {"name": "GAUNTLET_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "GAUNTLET_NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    if pod.store_claim:
        mounts.append({"name": "store", "mountPath": STORE})
        env.append({"name": "GAUNTLET_STORE_FOLDER", "value": STORE})
    if pod.cache_claim:
        mounts.append({"name": "cache", "mountPath": CACHE, "readOnly": cache_read_only})
        env.append({"name": "GAUNTLET_CACHE_FOLDER", "value": CACHE})
    return {
        "name": name,
        "image": pod.image,
        "imagePullPolicy": pod.image_pull_policy,
        "command": ["python3", "-m", "gauntlet.agent", verb],
        "env": env,
        "resources": pod.resources,
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _volumes(pod: AgentPod) -> list[Json]:
    volumes: list[Json] = [{"name": "work", "emptyDir": {}}]
    for name, claim in (("store", pod.store_claim), ("cache", pod.cache_claim)):
        if claim:
            volumes.append({"name": name, "persistentVolumeClaim": {"claimName": claim}})
    return volumes


def finished_before(pods: list[Json], moment: dt.datetime) -> list[str]:
    """Names of pods whose last container ended before a moment.

    :param pods: as the API lists them.
    :param moment: with a time zone.
    """
    return [
        pod["metadata"]["name"]
        for pod in pods
        if pod.get("status", {}).get("phase") in ("Succeeded", "Failed") and _ended_at(pod) < moment
    ]


def _ended_at(pod: Json) -> dt.datetime:
    """When a finished pod's last container ended; its creation when none ever started."""
    status = pod.get("status", {})
    ends = [
        over["finishedAt"]
        for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        if (over := (container.get("state") or {}).get("terminated")) and over.get("finishedAt")
    ]
    return dt.datetime.fromisoformat(max(ends, default=pod["metadata"]["creationTimestamp"]))
