"""The kinds this cluster serves: one table entry each, and everything generic is driven by it.

To add a kind, add an entry. Behaviour of its own (defaults, validation, columns, field labels) hangs on the entry
as functions; nothing else may name a kind, except the subresources of pods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gauntlet.local.devcluster.api import columns, defaults, validation
from gauntlet.local.devcluster.api.errors import Cause
from gauntlet.local.devcluster.store.objects import Object

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Subresource:
    """Something below an object, such as pods/log."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = "v1"


STATUS_VERBS = ("get", "patch", "update")


def _nothing(obj: Object) -> None:
    """No defaults."""


def _metadata_only(new: Object, old: Object | None) -> list[Cause]:
    """No rules beyond those of metadata."""
    return []


def _name_fields(obj: Object) -> dict[str, str]:
    metadata = obj["metadata"]
    return {"metadata.name": metadata["name"], "metadata.namespace": metadata.get("namespace", "")}


@dataclass(frozen=True)
class Kind:
    """A resource kind: its names, its model in the Python client, and its own behaviour."""

    kind: str
    plural: str
    model: str
    namespaced: bool = True
    group: str = ""
    version: str = "v1"
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    name_rule: Callable[[str], str] = validation.subdomain_problem
    defaults: Callable[[Object], None] = _nothing
    validate: Callable[[Object, Object | None], list[Cause]] = _metadata_only
    fields: Callable[[Object], dict[str, str]] = _name_fields
    columns: tuple[columns.Column, ...] = columns.PLAIN
    returns_deleted: bool = False

    @property
    def resource(self) -> str:
        """The store's name for it: "pods", "apps/deployments"."""
        return f"{self.group}/{self.plural}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """ "v1" or "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """The kind in lower case."""
        return self.kind.lower()

    @property
    def has_status(self) -> bool:
        """Whether status is written through a subresource of its own."""
        return any(sub.name == "status" for sub in self.subresources)


def _status(kind: str) -> Subresource:
    return Subresource("status", kind, STATUS_VERBS)


def _pod_fields(pod: Object) -> dict[str, str]:
    spec, status = pod["spec"], pod.get("status", {})
    return {
        **_name_fields(pod),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.restartPolicy": spec.get("restartPolicy", ""),
        "spec.schedulerName": spec.get("schedulerName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "spec.hostNetwork": str(spec.get("hostNetwork", False)).lower(),
        "status.phase": status.get("phase", ""),
        "status.podIP": status.get("podIP", ""),
        "status.nominatedNodeName": "",
    }


def _event_fields(event: Object) -> dict[str, str]:
    involved = event.get("involvedObject", {})
    parts = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    return {
        **_name_fields(event),
        **{f"involvedObject.{part}": involved.get(part, "") for part in parts},
        "reason": event.get("reason", ""),
        "type": event.get("type", ""),
        "reportingComponent": event.get("reportingComponent", ""),
        "source": event.get("source", {}).get("component", "") or event.get("reportingComponent", ""),
    }


def _namespace_fields(namespace: Object) -> dict[str, str]:
    return {**_name_fields(namespace), "status.phase": namespace.get("status", {}).get("phase", "")}


def _node_fields(node: Object) -> dict[str, str]:
    unschedulable = node.get("spec", {}).get("unschedulable", False)
    return {**_name_fields(node), "spec.unschedulable": str(unschedulable).lower()}


def _secret_fields(secret: Object) -> dict[str, str]:
    return {**_name_fields(secret), "type": secret.get("type", "")}


KINDS: tuple[Kind, ...] = (
    Kind("ConfigMap", "configmaps", "V1ConfigMap", short_names=("cm",), columns=columns.CONFIG_MAP,
         validate=validation.config_map),
    Kind("Event", "events", "CoreV1Event", short_names=("ev",), columns=columns.EVENT, fields=_event_fields),
    Kind("Namespace", "namespaces", "V1Namespace", namespaced=False, short_names=("ns",),
         name_rule=validation.label_problem, defaults=defaults.namespace, fields=_namespace_fields,
         subresources=(Subresource("finalize", "Namespace", ("update",)), _status("Namespace")),
         columns=columns.NAMESPACE, returns_deleted=True),
    Kind("Node", "nodes", "V1Node", namespaced=False, short_names=("no",), fields=_node_fields,
         subresources=(_status("Node"),), columns=columns.NODE),
    Kind("PersistentVolumeClaim", "persistentvolumeclaims", "V1PersistentVolumeClaim", short_names=("pvc",),
         subresources=(_status("PersistentVolumeClaim"),), defaults=defaults.volume_claim,
         validate=validation.volume_claim, columns=columns.VOLUME_CLAIM, returns_deleted=True),
    Kind("PersistentVolume", "persistentvolumes", "V1PersistentVolume", namespaced=False, short_names=("pv",),
         subresources=(_status("PersistentVolume"),), defaults=defaults.volume, validate=validation.volume,
         columns=columns.VOLUME, returns_deleted=True),
    Kind("Pod", "pods", "V1Pod", short_names=("po",), categories=("all",), defaults=defaults.pod,
         validate=validation.pod, fields=_pod_fields, columns=columns.POD, returns_deleted=True,
         subresources=(
             Subresource("binding", "Binding", ("create",)),
             Subresource("eviction", "Eviction", ("create",), "policy", "v1"),
             Subresource("exec", "PodExecOptions", ("create", "get")),
             Subresource("log", "Pod", ("get",)),
             _status("Pod"),
         )),
    Kind("Secret", "secrets", "V1Secret", columns=columns.SECRET, defaults=defaults.secret,
         validate=validation.secret, fields=_secret_fields),
    Kind("ServiceAccount", "serviceaccounts", "V1ServiceAccount", short_names=("sa",),
         columns=columns.SERVICE_ACCOUNT, returns_deleted=True),
)  # fmt: skip

BY_RESOURCE: dict[str, Kind] = {kind.resource: kind for kind in KINDS}
BY_KIND: dict[tuple[str, str], Kind] = {(kind.api_version, kind.kind): kind for kind in KINDS}

REVIEWS: dict[tuple[str, str, str], str] = {
    ("authentication.k8s.io", "v1", "selfsubjectreviews"): "SelfSubjectReview",
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    ("authorization.k8s.io", "v1", "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
}
"""Resources that are answered and never stored."""

VERSION_ONLY_GROUPS: tuple[tuple[str, str], ...] = (("policy", "v1"),)
"""Groups whose only content here is the kind of a subresource."""


def versions() -> dict[str, str]:
    """Return every group served and its one version, the core group first."""
    found = {"": "v1"}
    for kind in KINDS:
        found.setdefault(kind.group, kind.version)
    for group, version, _ in REVIEWS:
        found.setdefault(group, version)
    found.update(dict(VERSION_ONLY_GROUPS))
    return found


def describe(kind: Kind) -> dict[str, Any]:
    """Return the apiVersion and kind that an object of this kind carries."""
    return {"apiVersion": kind.api_version, "kind": kind.kind}
