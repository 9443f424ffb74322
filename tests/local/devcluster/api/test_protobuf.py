"""Bodies that kubectl sends as protobuf are read, and hostile ones refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.local.devcluster.api.protobuf import MAGIC, ProtobufError, decode


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(kind: str, *fields: bytes) -> bytes:
    return MAGIC + field(1, field(1, "v1") + field(2, kind)) + field(2, b"".join(fields))


def test_a_secret_is_read() -> None:
    metadata = field(1, "s") + field(3, "ns") + field(11, field(1, "k") + field(2, "v"))
    body = message("Secret", field(1, metadata), field(2, field(1, "key") + field(2, b"\x00\xff")), field(3, "Opaque"))
    assert decode(body) == {
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "s", "namespace": "ns", "labels": {"k": "v"}},
        "data": {"key": base64.b64encode(b"\x00\xff").decode()},
    }  # fmt: skip


def test_an_eviction_carries_its_options() -> None:
    options = field(1, 7) + field(2, field(1, "some-uid")) + field(5, "All")
    assert decode(message("Eviction", field(2, options)))["deleteOptions"] == {
        "gracePeriodSeconds": 7, "preconditions": {"uid": "some-uid"}, "dryRun": ["All"],
    }  # fmt: skip


def test_a_kind_without_a_table_is_refused_by_name() -> None:
    with pytest.raises(ProtobufError, match="Deployment is not read as protobuf"):
        decode(message("Deployment"))


@given(st.binary(max_size=200))
def test_rubbish_never_does_worse_than_a_refusal(data: bytes) -> None:
    for body in (data, MAGIC + data, MAGIC + field(1, field(2, "ConfigMap")) + field(2, data)):
        try:
            decode(body)
        except ProtobufError:
            continue
