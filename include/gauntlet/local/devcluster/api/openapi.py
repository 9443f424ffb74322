"""OpenAPI documents for `kubectl explain`, `apply` and validation, written from the client's models. Pure.

Only what those commands read is there: the schemas of the kinds served, and for each kind the PATCH operation whose
`fieldValidation` parameter tells kubectl that the server validates fields itself.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from typing import Any

from gauntlet.local.devcluster.api import schema
from gauntlet.local.devcluster.api.kinds import KINDS, Kind, versions
from gauntlet.local.devcluster.store.patches import MERGE_KEYS, MERGED_PRIMITIVES

_META = {
    "V1ObjectMeta", "V1OwnerReference", "V1ManagedFieldsEntry", "V1LabelSelector", "V1LabelSelectorRequirement",
    "V1ListMeta", "V1Status", "V1DeleteOptions",
}  # fmt: skip
_PRIMITIVES: dict[str, dict[str, str]] = {
    "str": {"type": "string"}, "bool": {"type": "boolean"}, "int": {"type": "integer", "format": "int32"},
    "float": {"type": "number", "format": "double"}, "datetime": {"type": "string", "format": "date-time"},
    "object": {"type": "object"},
}  # fmt: skip


def paths() -> dict[str, Any]:
    """Return the answer of /openapi/v3: one document per group and version, its address carrying its hash."""
    found = {}
    for group, version in versions().items():
        path = f"apis/{group}/{version}" if group else f"api/{version}"
        digest = hashlib.sha256(json.dumps(document(group), sort_keys=True).encode()).hexdigest().upper()
        found[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": found}


@functools.cache
def document(group: str) -> dict[str, Any]:
    """Return the OpenAPI 3.0 document of a group's one version."""
    kinds = [kind for kind in KINDS if kind.group == group]
    return {
        "openapi": "3.0.0",
        "info": {"title": "devcluster", "version": versions()[group]},
        "paths": {path: operations for kind in kinds for path, operations in _paths(kind)},
        "components": {"schemas": _schemas(kinds, "#/components/schemas/")},
    }


@functools.cache
def swagger() -> dict[str, Any]:
    """Return the OpenAPI 2.0 document of everything."""
    return {
        "swagger": "2.0",
        "info": {"title": "devcluster", "version": "1.34"},
        "paths": {path: operations for kind in KINDS for path, operations in _paths(kind)},
        "definitions": _schemas(list(KINDS), "#/definitions/"),
    }


def schema_name(model: str) -> str:
    """Return the canonical name of a model: io.k8s.api.core.v1.Pod for V1Pod."""
    bare = schema.description(model)
    match = re.match(r"^(?:Core)?V(\d+(?:beta\d+)?)", model)
    version = f"v{match[1]}" if match else "v1"
    home = "io.k8s.apimachinery.pkg.apis.meta" if model in _META else "io.k8s.api.core"
    return f"{home}.{version}.{bare}"


def _paths(kind: Kind) -> list[tuple[str, dict[str, Any]]]:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    place = "/namespaces/{namespace}" if kind.namespaced else ""
    identity = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    names = ("dryRun", "fieldManager", "fieldValidation")
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]
    operation = {
        "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": identity, "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
    }  # fmt: skip
    return [(f"{root}{place}/{kind.plural}/{{name}}", {"patch": operation})]


def _schemas(kinds: list[Kind], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    todo = [kind.model for kind in kinds]
    identities = {kind.model: kind for kind in kinds}
    while todo:
        model = todo.pop()
        if schema_name(model) in found:
            continue
        entry = _model(model, prefix, todo)
        if model in identities:
            kind = identities[model]
            entry["x-kubernetes-group-version-kind"] = [
                {"group": kind.group, "version": kind.version, "kind": kind.kind}
            ]
        found[schema_name(model)] = entry
    return found


def _model(model: str, prefix: str, todo: list[str]) -> dict[str, Any]:
    fields = schema.fields(model)
    properties = {}
    for name, field in fields.items():
        entry = {"description": field.description, **_type(field.type, prefix, todo)}
        if "array" in entry.values() and name in MERGE_KEYS:
            key = _merge_key(name, field.type)
            if key:
                entry |= {"x-kubernetes-patch-merge-key": key, "x-kubernetes-patch-strategy": "merge"}
        elif name in MERGED_PRIMITIVES:
            entry["x-kubernetes-patch-strategy"] = "merge"
        properties[name] = entry
    result: dict[str, Any] = {
        "description": f"{schema.description(model)}, as the Kubernetes API describes it.",
        "type": "object", "properties": properties,
    }  # fmt: skip
    required = [name for name, field in fields.items() if field.required]
    return {**result, "required": required} if required else result


def _merge_key(name: str, type_name: str) -> str | None:
    item = schema.item_type(type_name)
    known = schema.fields(item) if item and schema.is_model(item) else {}
    return next((key for key in MERGE_KEYS[name] if key in known), None)


def _type(type_name: str, prefix: str, todo: list[str]) -> dict[str, Any]:
    item = schema.item_type(type_name)
    if item:
        return {"type": "array", "items": _type(item, prefix, todo)}
    value = schema.value_type(type_name)
    if value:
        return {"type": "object", "additionalProperties": _type(value, prefix, todo)}
    if schema.is_model(type_name):
        todo.append(type_name)
        reference = {"$ref": prefix + schema_name(type_name)}
        return {"allOf": [reference]} if "components" in prefix else reference
    return dict(_PRIMITIVES.get(type_name, {"type": "object"}))
