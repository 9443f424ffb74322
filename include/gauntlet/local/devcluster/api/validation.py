"""What is refused, with every cause at once. Pure: (new, old) to causes; the rules of pods are in ``pod_rules``.

Sentences are Kubernetes' own (k8s.io/apimachinery/pkg/util/validation, pkg/apis/core/validation).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from gauntlet.local.devcluster.api import pod_rules
from gauntlet.local.devcluster.api.errors import Cause, forbidden_field, invalid_value, required
from gauntlet.local.devcluster.api.names import label_problem, subdomain_problem
from gauntlet.local.devcluster.store.objects import Object

__all__ = ["config_map", "label_problem", "metadata", "pod", "secret", "subdomain_problem", "volume", "volume_claim"]

_QUALIFIED = re.compile(r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
_DATA_KEY = re.compile(r"^[-._a-zA-Z0-9]{1,253}$")
_KEY_SENTENCE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_LABEL_KEY_SENTENCE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_LABEL_VALUE_SENTENCE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
DATA_LIMIT_BYTES = 1024 * 1024

pod = pod_rules.validate


def metadata(obj: Object, name_problem: str) -> list[Cause]:
    """Check name, labels and annotations; `name_problem` is what the kind's name rule said."""
    found: list[Cause] = []
    meta = obj["metadata"]
    if not meta.get("name"):
        found.append(required("metadata.name", "name or generateName is required"))
    elif name_problem:
        found.append(invalid_value("metadata.name", meta["name"], name_problem))
    for key, value in (meta.get("labels") or {}).items():
        if not _QUALIFIED.match(key):
            found.append(invalid_value("metadata.labels", key, _LABEL_KEY_SENTENCE))
        if not _LABEL_VALUE.match(str(value)):
            found.append(invalid_value("metadata.labels", value, _LABEL_VALUE_SENTENCE))
    annotations = meta.get("annotations") or {}
    wrong = [key for key in annotations if not _QUALIFIED.match(key)]
    return [*found, *(invalid_value("metadata.annotations", key, _LABEL_KEY_SENTENCE) for key in wrong)]


def _data_keys(obj: Object, field: str) -> list[Cause]:
    keys = obj.get(field) or {}
    return [invalid_value(f"{field}[{k}]", k, _KEY_SENTENCE) for k in keys if not _DATA_KEY.match(k)]


def _immutable(new: Object, old: Object | None) -> list[Cause]:
    if not old or not old.get("immutable"):
        return []
    changed = [field for field in ("data", "binaryData") if new.get(field) != old.get(field)]
    return [forbidden_field(field, "field is immutable when `immutable` is set") for field in changed]


def config_map(new: Object, old: Object | None) -> list[Cause]:
    """Keys, size, immutability."""
    found = [*_data_keys(new, "data"), *_data_keys(new, "binaryData"), *_immutable(new, old)]
    size = sum(len(v) for f in ("data", "binaryData") for v in (new.get(f) or {}).values())
    if size > DATA_LIMIT_BYTES:
        found.append(Cause("", f"Too long: may not be more than {DATA_LIMIT_BYTES} bytes", "FieldValueTooLong"))
    return found


def secret(new: Object, old: Object | None) -> list[Cause]:
    """Keys, base64, immutability."""
    found = [*_data_keys(new, "data"), *_immutable(new, old)]
    for key, value in (new.get("data") or {}).items():
        try:
            base64.b64decode(value or "", validate=True)
        except (binascii.Error, ValueError) as problem:
            found.append(invalid_value(f"data[{key}]", "<redacted>", f"not base64: {problem}"))
    return found


def _storage(resources: Any, path: str) -> list[Cause]:
    storage = (resources or {}).get("storage")
    return pod_rules.quantity_causes(storage, path) if storage else [required(path)]


def volume_claim(new: Object, old: Object | None) -> list[Cause]:
    """Access modes and the size asked for; a bound claim's specification stays as it is."""
    spec = new.get("spec") or {}
    if old is not None:
        before = {k: v for k, v in old["spec"].items() if k not in ("volumeName", "resources")}
        after = {k: v for k, v in spec.items() if k not in ("volumeName", "resources")}
        if before != after:
            return [forbidden_field("spec", "spec is immutable after creation except resources.requests")]
    found = [] if spec.get("accessModes") else [required("spec.accessModes", "at least 1 access mode is required")]
    return found + _storage((spec.get("resources") or {}).get("requests"), "spec.resources[storage]")


def volume(new: Object, old: Object | None) -> list[Cause]:
    """Access modes, size and one source this node can serve."""
    spec = new.get("spec") or {}
    found = [] if spec.get("accessModes") else [required("spec.accessModes")]
    found += _storage(spec.get("capacity"), "spec.capacity")
    if not (spec.get("hostPath") or spec.get("local")):
        found.append(required("spec", "devcluster serves volumes of type hostPath and local only"))
    return found
