"""What the verbs mean: create, update, patch and delete with defaults, validation, admission and consequences.

It exists so that HTTP (``handlers``) and meaning can be read apart. Every method is synchronous and therefore
atomic; nothing here waits, starts processes or knows of requests.
"""

from __future__ import annotations

import copy
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from gauntlet.local.devcluster.api import apply, errors, patching, pod_security, schema, validation
from gauntlet.local.devcluster.api.kinds import BY_RESOURCE, Kind, describe
from gauntlet.local.devcluster.store.objects import Key, Object, ObjectStore

_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass
class WriteOptions:
    """The query parameters of a write; `warnings` collects what goes into Warning headers."""

    dry_run: bool = False
    field_manager: str = "unknown"
    field_validation: str = "Warn"
    force: bool = False
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DeleteOptions:
    """How to delete: None leaves a choice to the object."""

    grace_period_seconds: int | None = None
    orphan_dependents: bool = False
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False


def timestamp(moment: datetime | None = None) -> str:
    """Write a moment as Kubernetes does, in whole seconds."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Registry:
    """The verbs over a store."""

    def __init__(self, store: ObjectStore, authority: str = "") -> None:
        """Take the store, and the certificate (PEM) every namespace's kube-root-ca.crt holds."""
        self.store = store
        self._authority = authority

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """Return an object. Raises ApiError 404."""
        found = self.store.get(kind.resource, namespace, name)
        if found is None:
            raise errors.not_found(kind.resource, name)
        return found

    def create(self, kind: Kind, namespace: str, body: Object, options: WriteOptions) -> Object:
        """Add an object after defaults, validation and admission. Raises ApiError."""
        obj = self.decode(kind, namespace, body, options)
        metadata = obj["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + "".join(secrets.choice(_NAME_LETTERS) for _ in range(5))
        for name in ("resourceVersion", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(name, None)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp()}
        if kind.has_status:
            obj.pop("status", None)
        self._check_namespace(kind, namespace, metadata.get("name", ""))
        if metadata.get("name") and self.store.get(kind.resource, namespace, metadata["name"]):
            raise errors.already_exists(kind.resource, metadata["name"])
        kind.defaults(obj)
        self._validate(kind, obj, None)
        if kind.resource == "pods":
            self._admit_pod(obj, options)
        if options.dry_run:
            return obj
        created = self.store.put(kind.resource, obj)
        if kind.resource == "namespaces":
            self._furnish(metadata["name"])
        return created

    def update(
        self, kind: Kind, namespace: str, name: str, body: Object, options: WriteOptions, *, subresource: str = ""
    ) -> Object:
        """Replace an object, or only its status. Raises ApiError."""
        current = self.get(kind, namespace, name)
        obj = self.decode(kind, namespace, body, options)
        return self._replace(kind, current, obj, options, subresource)

    def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: patching.Patch,
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> tuple[Object, bool]:
        """Change an object by a patch; an apply patch may create it. Returns (object, created). Raises ApiError."""
        current = self.store.get(kind.resource, namespace, name)
        if patch.kind == patching.APPLY:
            return self._apply(kind, (namespace, name), current, patch.body, options)
        if current is None:
            raise errors.not_found(kind.resource, name)
        changed = patching.apply_patch(current, patch)
        obj = self.decode(kind, namespace, changed, options)
        return self._replace(kind, current, obj, options, subresource), False

    def delete(self, kind: Kind, namespace: str, name: str, options: DeleteOptions) -> Object:
        """Delete an object, at once or gracefully. Returns it as it then is. Raises ApiError."""
        current = self.get(kind, namespace, name)
        self._check_preconditions(kind, current, options)
        grace = self._grace_seconds(kind, current, options.grace_period_seconds)
        lingers = grace > 0 or bool(current["metadata"].get("finalizers"))
        if options.dry_run:
            return current
        if lingers or kind.resource == "namespaces":
            current = self._mark_deleted(kind, current, grace)
        if kind.resource == "namespaces":
            self._empty_namespace(name)
            return self.store.get(kind.resource, "", name) or current
        if lingers:
            return current
        return self._remove(kind, current, orphan=options.orphan_dependents)

    def decode(self, kind: Kind, namespace: str, body: Any, options: WriteOptions) -> Object:
        """Check a body's identity and fields, and return a copy without the unknown ones. Raises ApiError."""
        if not isinstance(body, dict):
            raise errors.bad_request("the body is not a JSON object")
        given = (body.get("apiVersion", kind.api_version), body.get("kind", kind.kind))
        if given != (kind.api_version, kind.kind):
            wanted = f"{kind.api_version}, Kind={kind.kind}"
            raise errors.bad_request(f"the object provided is {given[0]}, Kind={given[1]}; expected {wanted}")
        prefix = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
        obj, findings = schema.check(body, kind.model, kind.kind)
        if findings.mistyped:
            raise errors.bad_request(prefix + findings.mistyped[0])
        unknown = [f'unknown field "{path}"' for path in findings.unknown]
        if unknown and options.field_validation == "Strict":
            raise errors.bad_request(prefix + "strict decoding error: " + ", ".join(unknown))
        if options.field_validation == "Warn":
            options.warnings += unknown
        obj = {**describe(kind), **copy.deepcopy(obj)}
        metadata = obj.setdefault("metadata", {})
        if kind.namespaced:
            if metadata.setdefault("namespace", namespace) != namespace:
                raise errors.bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
        else:
            metadata.pop("namespace", None)
        return obj

    def _replace(self, kind: Kind, current: Object, obj: Object, options: WriteOptions, subresource: str) -> Object:
        metadata, before = obj["metadata"], current["metadata"]
        name = before["name"]
        if metadata.setdefault("name", name) != name:
            raise errors.bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            )
        if metadata.get("resourceVersion", before["resourceVersion"]) != before["resourceVersion"]:
            raise errors.conflict(kind.resource, name)
        if metadata.get("uid", before["uid"]) != before["uid"]:
            why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {before['uid']}"
            raise errors.conflict(kind.resource, name, why)
        fixed = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
        for key in fixed:
            metadata.pop(key, None)
            if key in before:
                metadata[key] = before[key]
        metadata["resourceVersion"] = before["resourceVersion"]
        if subresource == "status":
            obj = {**current, "metadata": {**metadata, "name": name}, "status": obj.get("status", {})}
        else:
            if kind.has_status and "status" in current:
                obj["status"] = current["status"]
            kind.defaults(obj)
            self._validate(kind, obj, current)
        if obj == current or options.dry_run:
            return obj
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers") and before.get("finalizers"):
            return self._remove(kind, obj, orphan=False)
        return self.store.put(kind.resource, obj)

    def _apply(
        self, kind: Kind, key: Key, current: Object | None, body: Object, options: WriteOptions
    ) -> tuple[Object, bool]:
        namespace, name = key
        applied = self.decode(kind, namespace, body, options)
        applied["metadata"].setdefault("name", name)
        if current is None:
            merged = apply.merge(None, applied, options.field_manager, timestamp())
            return self.create(kind, namespace, merged, options), True
        found = [] if options.force else apply.conflicts(current, applied, options.field_manager)
        if found:
            raise _apply_conflict(found)
        merged = apply.merge(current, applied, options.field_manager, timestamp())
        if _without_times(merged) == _without_times(current):
            return current, False
        return self._replace(kind, current, merged, options, ""), False

    def _validate(self, kind: Kind, obj: Object, old: Object | None) -> None:
        metadata = obj["metadata"]
        name = metadata.get("name", "")
        causes = [*validation.metadata(obj, kind.name_rule(name)), *kind.validate(obj, old)]
        if causes:
            raise errors.invalid(kind.kind, name, causes, kind.group)

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        if not kind.namespaced:
            return
        found = self.store.get("namespaces", "", namespace)
        if found is None:
            raise errors.not_found("namespaces", namespace)
        if found["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise errors.forbidden(kind.resource, name, why)

    def _admit_pod(self, pod: Object, options: WriteOptions) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        account = pod["spec"]["serviceAccountName"]
        if self.store.get("serviceaccounts", namespace, account) is None:
            why = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
            raise errors.forbidden("pods", name, why)
        home = self.store.get("namespaces", "", namespace) or {"metadata": {}}
        labels = home["metadata"].get("labels") or {}
        for mode in ("enforce", "warn"):
            level = labels.get(pod_security.LABEL_PREFIX + mode, "privileged")
            version = labels.get(f"{pod_security.LABEL_PREFIX}{mode}-version", "latest")
            found = pod_security.violations(pod["spec"], level)
            if found and mode == "enforce":
                raise errors.forbidden("pods", name, f'violates PodSecurity "{level}:{version}": {found}')
            if found:
                options.warnings.append(f'would violate PodSecurity "{level}:{version}": {found}')

    def _furnish(self, namespace: str) -> None:
        """Give a new namespace what controllers would, at once, so that pods can start in it."""
        authority = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": self._authority}}
        self.create(BY_RESOURCE["configmaps"], namespace, authority, WriteOptions())
        account = {"metadata": {"name": "default"}}
        self.create(BY_RESOURCE["serviceaccounts"], namespace, account, WriteOptions())

    def _check_preconditions(self, kind: Kind, current: Object, options: DeleteOptions) -> None:
        metadata = current["metadata"]
        for label, wanted, have in (
            ("UID", options.uid, metadata["uid"]),
            ("ResourceVersion", options.resource_version, metadata["resourceVersion"]),
        ):
            if wanted is not None and wanted != have:
                why = f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {have}"
                raise errors.conflict(kind.resource, metadata["name"], why)

    @staticmethod
    def _grace_seconds(kind: Kind, obj: Object, asked_seconds: int | None) -> int:
        """Pods that run on a node end gracefully; everything else is gone at once."""
        if kind.resource != "pods" or not obj["spec"].get("nodeName"):
            return 0
        if obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        if asked_seconds is not None:
            return max(asked_seconds, 0)
        return int(obj["spec"].get("terminationGracePeriodSeconds", 30))

    def _mark_deleted(self, kind: Kind, current: Object, grace_seconds: int) -> Object:
        metadata = current["metadata"]
        before = metadata.get("deletionGracePeriodSeconds")
        if before is not None and before <= grace_seconds:
            return current
        obj = copy.deepcopy(current)
        obj["metadata"]["deletionTimestamp"] = timestamp(datetime.now(UTC) + timedelta(seconds=grace_seconds))
        obj["metadata"]["deletionGracePeriodSeconds"] = grace_seconds
        if kind.resource == "namespaces":
            obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
        return self.store.put(kind.resource, obj)

    def _remove(self, kind: Kind, current: Object, *, orphan: bool) -> Object:
        metadata = current["metadata"]
        namespace = metadata.get("namespace", "")
        removed = self.store.remove(kind.resource, namespace, metadata["name"])
        self._collect(metadata["uid"], orphan=orphan)
        home = self.store.get("namespaces", "", namespace) if namespace else None
        if home and home["metadata"].get("deletionTimestamp"):
            self._empty_namespace(namespace)
        return removed

    def _collect(self, owner_uid: str, *, orphan: bool) -> None:
        """Delete what the removed object owned alone; take its name off what others own too."""
        for resource, obj in list(self.store.everything()):
            metadata = obj["metadata"]
            references = metadata.get("ownerReferences") or []
            left = [reference for reference in references if reference.get("uid") != owner_uid]
            if len(left) == len(references):
                continue
            if left or orphan:
                owned = copy.deepcopy(obj)
                owned["metadata"]["ownerReferences"] = left
                self.store.put(resource, owned)
            elif self.store.get(resource, metadata.get("namespace", ""), metadata["name"]) is not None:
                self.delete(BY_RESOURCE[resource], metadata.get("namespace", ""), metadata["name"], DeleteOptions())

    def _empty_namespace(self, namespace: str) -> None:
        """Delete a terminating namespace's contents; the namespace itself goes with the last of them."""
        for resource, obj in list(self.store.everything()):
            metadata = obj["metadata"]
            gone = self.store.get(resource, namespace, metadata["name"]) is None
            if metadata.get("namespace") == namespace and not gone and "deletionTimestamp" not in metadata:
                kind = BY_RESOURCE[resource]
                grace = self._grace_seconds(kind, obj, None)
                if grace > 0 or metadata.get("finalizers"):
                    self._mark_deleted(kind, obj, grace)
                else:
                    self.store.remove(resource, namespace, metadata["name"])
        left = any(obj["metadata"].get("namespace") == namespace for _, obj in self.store.everything())
        if not left and self.store.get("namespaces", "", namespace):
            self.store.remove("namespaces", "", namespace)


def _without_times(obj: Object) -> Object:
    bare = copy.deepcopy(obj)
    for entry in bare["metadata"].get("managedFields") or []:
        entry.pop("time", None)
    return bare


def _apply_conflict(found: list[tuple[str, str]]) -> errors.ApiError:
    lines = "; ".join(f'conflict with "{manager}": {path}' for manager, path in found)
    noun = "conflict" if len(found) == 1 else "conflicts"
    details = {
        "causes": [
            {"reason": "FieldManagerConflict", "message": f'conflict with "{manager}"', "field": path}
            for manager, path in found
        ]
    }
    message = f"Apply failed with {len(found)} {noun}: {lines}"
    return errors.ApiError(409, "Conflict", message, details)
