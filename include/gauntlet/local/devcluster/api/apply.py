"""Server-side apply: who set which field, what to merge, what to drop, where two managers disagree. Pure.

Kept small: ownership is tracked for managers that apply (`kubectl apply --server-side`). Plain updates and patches
take no ownership here, so they never conflict with an apply. Format: `FieldsV1` of metadata.managedFields.
"""

from __future__ import annotations

import copy
import json
from typing import Any, TypeAlias

from gauntlet.local.devcluster.store.objects import Object
from gauntlet.local.devcluster.store.patches import merge_key

Fields: TypeAlias = dict[str, Any]
_IDENTITY = ("apiVersion", "kind")
_SERVER_OWNED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")


def owned_fields(applied: Object) -> Fields:
    """Return the FieldsV1 set of an applied configuration."""
    fields = _fields_of({key: value for key, value in applied.items() if key not in _IDENTITY}, "")
    metadata = fields.get("f:metadata", {})
    for name in _SERVER_OWNED:
        metadata.pop(f"f:{name}", None)
    if not metadata:
        fields.pop("f:metadata", None)
    return fields


def conflicts(current: Object, applied: Object, manager: str) -> list[tuple[str, str]]:
    """Return (other manager, field path) for each field another applier set to something else."""
    mine = owned_fields(applied)
    found: list[tuple[str, str]] = []
    for entry in current["metadata"].get("managedFields") or []:
        if entry["manager"] == manager:
            continue
        shared = _shared_leaves(mine, entry["fieldsV1"])
        found += [(entry["manager"], _written(path)) for path in shared if _at(current, path) != _at(applied, path)]
    return found


def merge(current: Object | None, applied: Object, manager: str, now: str) -> Object:
    """Return `current` with `applied` laid over it and `manager` owning what it applied, and no more.

    Fields this manager applied before and does not apply any more are removed, unless another owns them too.
    """
    result = copy.deepcopy(current) if current else {"metadata": {}}
    entries = list(result["metadata"].pop("managedFields", None) or [])
    before: Fields = next((entry["fieldsV1"] for entry in entries if entry["manager"] == manager), {})
    others = [entry for entry in entries if entry["manager"] != manager]
    mine = owned_fields(applied)
    _drop(result, before, mine, [entry["fieldsV1"] for entry in others])
    result = dict(_overlay(result, applied, ""))
    result["metadata"]["managedFields"] = [*others, {
        "manager": manager, "operation": "Apply", "apiVersion": applied.get("apiVersion"), "time": now,
        "fieldsType": "FieldsV1", "fieldsV1": mine,
    }]  # fmt: skip
    return result


def _fields_of(value: Any, field: str) -> Fields:
    if isinstance(value, dict):
        return {f"f:{key}": _fields_of(item, key) for key, item in value.items()}
    if isinstance(value, list) and value and all(merge_key(field, item) for item in value):
        return {_item_key(field, item): {".": {}, **_fields_of(item, "")} for item in value}
    return {}


def _item_key(field: str, item: Any) -> str:
    key = merge_key(field, item) or ""
    return "k:" + json.dumps({key: item[key]}, separators=(",", ":"))


def _shared_leaves(mine: Fields, theirs: Fields, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key in mine.keys() & theirs.keys() - {"."}:
        if not mine[key] and not theirs[key]:
            found.append((*path, key))
        else:
            found += _shared_leaves(mine[key], theirs[key], (*path, key))
    return found


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if value is None:
            return None
        value = _step(value, part)
    return value


def _step(value: Any, part: str) -> Any:
    if part.startswith("f:"):
        return value.get(part[2:]) if isinstance(value, dict) else None
    wanted = json.loads(part[2:])
    key, identity = next(iter(wanted.items()))
    return next((item for item in value if item.get(key) == identity), None) if isinstance(value, list) else None


def _written(path: tuple[str, ...]) -> str:
    parts = []
    for part in path:
        if part.startswith("f:"):
            parts.append(f".{part[2:]}")
        else:
            key, identity = next(iter(json.loads(part[2:]).items()))
            parts.append(f"[{key}={json.dumps(identity)}]")
    return "".join(parts)


def _drop(value: Any, before: Fields, now: Fields, others: list[Fields]) -> None:
    for part, inner in before.items():
        if part == ".":
            continue
        kept = [other[part] for other in others if part in other]
        if part in now or kept:
            _drop(_step(value, part), inner, now.get(part, {}), kept)
        elif isinstance(value, dict):
            value.pop(part[2:], None)
        elif isinstance(value, list):
            gone = _step(value, part)
            if gone is not None:
                value.remove(gone)


def _overlay(current: Any, applied: Any, field: str) -> Any:
    if isinstance(applied, dict):
        base = dict(current) if isinstance(current, dict) else {}
        return {**base, **{key: _overlay(base.get(key), item, key) for key, item in applied.items()}}
    if isinstance(applied, list) and applied and all(merge_key(field, item) for item in applied):
        return _overlay_list(current or [], applied, field)
    return copy.deepcopy(applied)


def _overlay_list(current: list[Any], applied: list[Any], field: str) -> list[Any]:
    merged = list(current)
    for item in applied:
        part = _item_key(field, item)
        have = _step(merged, part)
        if have is None:
            merged.append(copy.deepcopy(item))
        else:
            merged[merged.index(have)] = _overlay(have, item, "")
    return merged
