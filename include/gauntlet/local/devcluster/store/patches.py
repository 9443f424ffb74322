"""JSON patch (RFC 6902), merge patch (RFC 7386) and Kubernetes' strategic merge patch. Pure: inputs stay as they are.

Which lists merge by which key is Kubernetes' own knowledge (`x-kubernetes-patch-merge-key`); the Python client's
models do not carry it, so the table below does, for the kinds served here.
"""

from __future__ import annotations

import copy
from typing import Any

MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "addresses": ("type",),
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "podIPs": ("ip",),
    "ports": ("containerPort", "port"),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
MERGED_PRIMITIVES = frozenset({"finalizers"})


class PatchError(ValueError):
    """The patch cannot be applied to this object."""


def merge_key(field: str, item: Any) -> str | None:
    """Return the key by which items of list `field` are told apart, or None when the list is atomic."""
    candidates = MERGE_KEYS.get(field, ())
    if isinstance(item, dict):
        return next((key for key in candidates if key in item), None)
    return None


def json_patch(document: Any, operations: Any) -> Any:
    """Apply RFC 6902 `operations` to a copy of `document`. Raises PatchError."""
    if not isinstance(operations, list):
        raise PatchError("a JSON patch is a list of operations")
    document = copy.deepcopy(document)
    for operation in operations:
        document = _json_operation(document, operation)
    return document


def merge_patch(document: Any, patch: Any) -> Any:
    """Apply an RFC 7386 merge patch."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_merge(document: Any, patch: dict[str, Any]) -> dict[str, Any]:
    """Apply a strategic merge patch to a copy of `document`. Raises PatchError on a malformed one."""
    if patch.get("$patch") == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    result = dict(document) if isinstance(document, dict) else {}
    if "$retainKeys" in patch:
        kept = set(patch["$retainKeys"])
        result = {key: value for key, value in result.items() if key in kept}
    for field, value in patch.items():
        if not field.startswith("$"):
            _merge_field(result, field, value)
    for field, value in patch.items():
        if field.startswith("$deleteFromPrimitiveList/"):
            target = field.partition("/")[2]
            result[target] = [item for item in result.get(target, []) if item not in value]
        elif field.startswith("$setElementOrder/"):
            _order(result, field.partition("/")[2], value)
    return result


def _merge_field(result: dict[str, Any], field: str, value: Any) -> None:
    if value is None:
        result.pop(field, None)
    elif isinstance(value, dict):
        merged = strategic_merge(result.get(field), value)
        if value.get("$patch") == "delete":
            result.pop(field, None)
        else:
            result[field] = merged
    elif isinstance(value, list):
        result[field] = _merge_list(field, result.get(field) or [], value)
    else:
        result[field] = value


def _merge_list(field: str, current: list[Any], patch: list[Any]) -> list[Any]:
    if field in MERGED_PRIMITIVES:
        return [*current, *(item for item in patch if item not in current)]
    if field not in MERGE_KEYS:
        return copy.deepcopy(patch)
    replace = any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch)
    merged = [] if replace else [*current]
    for item in patch:
        if isinstance(item, dict) and item.get("$patch") == "replace":
            continue
        _merge_item(field, merged, item)
    return merged


def _merge_item(field: str, merged: list[Any], item: Any) -> None:
    key = merge_key(field, item)
    if key is None:
        raise PatchError(f"map: {item!r} does not contain declared merge key: {MERGE_KEYS[field][0]}")
    place = next((i for i, have in enumerate(merged) if have.get(key) == item[key]), None)
    if item.get("$patch") == "delete":
        if place is not None:
            del merged[place]
    elif place is None:
        merged.append(strategic_merge({}, item))
    else:
        merged[place] = strategic_merge(merged[place], item)


def _order(result: dict[str, Any], field: str, order: list[Any]) -> None:
    """Sort what `order` names to its order; what it does not name keeps its place behind."""
    items = result.get(field)
    if not items:
        return

    def rank(item: Any) -> int:
        for place, wanted in enumerate(order):
            if isinstance(wanted, dict):
                key, value = next(iter(wanted.items()))
                if isinstance(item, dict) and item.get(key) == value:
                    return place
            elif item == wanted:
                return place
        return len(order)

    result[field] = sorted(items, key=rank)


def _json_operation(document: Any, operation: dict[str, Any]) -> Any:
    try:
        kind, path = operation["op"], _pointer(operation["path"])
        if kind in ("move", "copy"):
            source = _pointer(operation["from"])
            value = copy.deepcopy(_resolve(document, source))
            if kind == "move":
                document = _write(document, source, None, remove=True)
            return _write(document, path, value, insert=True)
        if kind == "test":
            if _resolve(document, path) != operation.get("value"):
                raise PatchError(f"testing value {operation['path']} failed: test failed")
            return document
        if kind == "remove":
            return _write(document, path, None, remove=True)
        if kind in ("add", "replace"):
            if kind == "replace":
                _resolve(document, path)
            return _write(document, path, copy.deepcopy(operation["value"]), insert=kind == "add")
    except (KeyError, IndexError, TypeError) as problem:
        raise PatchError(f"operation {operation!r} does not fit the document: {problem!r}") from None
    raise PatchError(f"unexpected kind of operation: {kind}")


def _pointer(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise PatchError(f"a path starts with '/': {path!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _resolve(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[_index(part)] if isinstance(document, list) else document[part]
    return document


def _index(part: str) -> int:
    if not part.isdigit():
        raise PatchError(f"not a list index: {part!r}")
    return int(part)


def _write(document: Any, path: list[str], value: Any, *, insert: bool = False, remove: bool = False) -> Any:
    if not path:
        return value
    parent = _resolve(document, path[:-1])
    last = path[-1]
    if isinstance(parent, list):
        _write_list(parent, last, value, insert=insert, remove=remove)
    elif remove:
        del parent[last]
    else:
        parent[last] = value
    return document


def _write_list(parent: list[Any], last: str, value: Any, *, insert: bool, remove: bool) -> None:
    place = len(parent) if last == "-" else _index(last)
    if place > len(parent):
        raise PatchError(f"index {place} is past the end of the list")
    if remove:
        del parent[place]
    elif insert:
        parent.insert(place, value)
    else:
        parent[place] = value
