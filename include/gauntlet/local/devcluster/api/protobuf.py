"""Reads the few objects that kubectl insists on sending as protobuf: table-driven, for bodies only. Pure.

`kubectl create namespace|configmap|secret|serviceaccount`, `drain` and the reviews use a typed client that offers no
JSON. Answers are always JSON. Bodies are hostile: every length is checked, nesting is bounded by the tables.

Format: "k8s\\0" and a runtime.Unknown (k8s.io/apimachinery/pkg/runtime/generated.proto); field numbers are those of
the generated.proto files of k8s.io/api v0.34.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias

MAGIC = b"k8s\x00"
Table: TypeAlias = dict[int, tuple[str, str]]

_TABLES: dict[str, Table] = {
    "ObjectMeta": {
        1: ("name", "string"), 2: ("generateName", "string"), 3: ("namespace", "string"), 5: ("uid", "string"),
        6: ("resourceVersion", "string"), 8: ("creationTimestamp", "Time"), 11: ("labels", "map string"),
        12: ("annotations", "map string"), 13: ("ownerReferences", "list OwnerReference"),
        14: ("finalizers", "list string"),
    },
    "OwnerReference": {
        1: ("kind", "string"), 3: ("name", "string"), 4: ("uid", "string"), 5: ("apiVersion", "string"),
        6: ("controller", "bool"), 7: ("blockOwnerDeletion", "bool"),
    },
    "DeleteOptions": {
        1: ("gracePeriodSeconds", "int"), 2: ("preconditions", "Preconditions"), 3: ("orphanDependents", "bool"),
        4: ("propagationPolicy", "string"), 5: ("dryRun", "list string"),
    },
    "Preconditions": {1: ("uid", "string"), 2: ("resourceVersion", "string")},
    "ConfigMap": {
        1: ("metadata", "ObjectMeta"), 2: ("data", "map string"), 3: ("binaryData", "map bytes"),
        4: ("immutable", "bool"),
    },
    "Secret": {
        1: ("metadata", "ObjectMeta"), 2: ("data", "map bytes"), 3: ("type", "string"),
        4: ("stringData", "map string"), 5: ("immutable", "bool"),
    },
    "Namespace": {1: ("metadata", "ObjectMeta")},
    "ServiceAccount": {
        1: ("metadata", "ObjectMeta"), 2: ("secrets", "list ObjectReference"),
        3: ("imagePullSecrets", "list LocalObjectReference"), 4: ("automountServiceAccountToken", "bool"),
    },
    "ObjectReference": {
        1: ("kind", "string"), 2: ("namespace", "string"), 3: ("name", "string"), 4: ("uid", "string"),
        5: ("apiVersion", "string"), 6: ("resourceVersion", "string"), 7: ("fieldPath", "string"),
    },
    "LocalObjectReference": {1: ("name", "string")},
    "Eviction": {1: ("metadata", "ObjectMeta"), 2: ("deleteOptions", "DeleteOptions")},
    "SelfSubjectReview": {},
    "SelfSubjectAccessReview": {},
    "SelfSubjectRulesReview": {},
}  # fmt: skip


class ProtobufError(ValueError):
    """The body is no protobuf this server reads."""


def decode(body: bytes) -> dict[str, Any]:
    """Return the object in a body. Raises ProtobufError."""
    if not body.startswith(MAGIC):
        raise ProtobufError("the body does not begin like a Kubernetes protobuf message")
    envelope = dict(_fields(body[len(MAGIC) :]))
    identity = dict(_fields(_bytes(envelope.get(1, b""))))
    api_version, kind = (_text(identity.get(number, b"")) for number in (1, 2))
    if kind not in _TABLES:
        known = ", ".join(sorted(name for name in _TABLES if name[0].isupper()))
        raise ProtobufError(f"{kind or 'this object'} is not read as protobuf, only: {known}; send JSON")
    return {"apiVersion": api_version, "kind": kind, **_message(_bytes(envelope.get(2, b"")), _TABLES[kind])}


def _message(data: bytes, table: Table) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for number, value in _fields(data):
        if number not in table:
            continue
        name, kind = table[number]
        shape, _, inner = kind.rpartition(" ")
        if shape == "list":
            result.setdefault(name, []).append(_value(value, inner))
        elif shape == "map":
            entry = dict(_fields(_bytes(value)))
            result.setdefault(name, {})[_text(entry.get(1, b""))] = _value(entry.get(2, b""), inner)
        else:
            result[name] = _value(value, inner)
    return {name: value for name, value in result.items() if value not in ("", None)}


def _value(value: int | bytes, kind: str) -> Any:
    if kind == "string":
        return _text(value)
    if kind == "bytes":
        return base64.b64encode(_bytes(value)).decode()
    if kind == "bool":
        return bool(value)
    if kind == "int":
        return value
    if kind == "Time":
        return _time(_bytes(value))
    return _message(_bytes(value), _TABLES[kind])


def _time(data: bytes) -> str | None:
    seconds = dict(_fields(data)).get(1, 0)
    if not isinstance(seconds, int) or not 0 < seconds < 253402300800:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ProtobufError("a number where a message is expected")
    return value


def _text(value: int | bytes) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError:
        raise ProtobufError("a string is not UTF-8") from None


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of a message: numbers for varints, bytes for everything else."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == 0:
            value, place = _varint(data, place)
        else:
            if wire == 2:
                size, place = _varint(data, place)
            elif wire in (1, 5):
                size = 8 if wire == 1 else 4
            else:
                raise ProtobufError(f"unknown wire type {wire}")
            if place + size > len(data):
                raise ProtobufError("the body ends too early")
            value, place = data[place : place + size], place + size
        yield number, value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise ProtobufError("the body ends too early")
        byte = data[place]
        place += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, place
    raise ProtobufError("a number is too long")
