"""What a pod is given: one object to read, one prefix to write below, for a time."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gauntlet.agent.contract import Upload
from gauntlet.storage.access import MAX_SECONDS, presigned_get, upload_policy
from gauntlet.storage.objects import BadPathError, ObjectStore, StoreError, StoreLocation

PREFIX = "runs/exec-1/shards/0/attempts/1"


@pytest.fixture
def settings(s3_endpoint: str) -> StoreLocation:
    return StoreLocation("s3://results/base", s3_endpoint)


def post(upload: Upload, path: str, data: bytes, **fields: str) -> int:
    """Upload as the agent does: a multipart form with the policy's fields, the key, and the file last."""
    form = {**upload.fields, "key": f"{upload.prefix}/{path}", **fields}
    return httpx.post(upload.url, data=form, files={"file": ("x", data)}).status_code


def policy(upload: Upload) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.b64decode(upload.fields["policy"]))
    return decoded


def test_a_presigned_address_reads_its_object(settings: StoreLocation) -> None:
    ObjectStore(settings).write("runs/exec-1/orders/shard-0-1.json", b"{}")
    assert httpx.get(presigned_get(settings, "runs/exec-1/orders/shard-0-1.json", 600)).content == b"{}"


def test_a_presigned_address_is_for_that_object_and_that_time_alone(settings: StoreLocation) -> None:
    address = urlsplit(presigned_get(settings, "runs/a b", 600))
    query = parse_qs(address.query)
    assert address.path == "/results/base/runs/a%20b"
    assert query["X-Amz-Expires"] == ["600"]
    assert "X-Amz-Signature" in query
    assert parse_qs(urlsplit(presigned_get(settings, "x", 10**9)).query)["X-Amz-Expires"] == [str(MAX_SECONDS)]


def test_pods_get_the_address_under_which_they_reach_the_service(settings: StoreLocation) -> None:
    inside = StoreLocation(settings.store_url, settings.store_endpoint_url, "http://10.88.0.1:9000")
    assert presigned_get(inside, "x", 60).startswith("http://10.88.0.1:9000/results/base/x?")
    assert upload_policy(inside, PREFIX, 60, 10).url.startswith("http://10.88.0.1:9000/results")


def test_a_pod_can_write_below_its_prefix(settings: StoreLocation) -> None:
    upload = upload_policy(settings, PREFIX, 600, 1000)
    assert (upload.kind, upload.prefix) == ("post", f"base/{PREFIX}")
    assert post(upload, "cases/1.jsonl", b"line", **{"Content-Type": "application/json"}) in (200, 204)
    assert ObjectStore(settings).read(f"{PREFIX}/cases/1.jsonl") == b"line"


# moto takes whatever is posted; so what S3 would hold a pod to is read from the signed document itself.
def test_the_policy_binds_key_size_and_time(settings: StoreLocation) -> None:
    upload = upload_policy(settings, PREFIX, 600, 1000)
    signed = policy(upload)
    conditions = signed["conditions"]
    assert ["starts-with", "$key", f"base/{PREFIX}/"] in conditions
    assert ["content-length-range", 0, 1000] in conditions
    assert {"bucket": "results"} in conditions
    assert not [one for one in conditions if isinstance(one, dict) and "key" in one]
    ends = dt.datetime.fromisoformat(signed["expiration"])
    assert dt.timedelta(seconds=540) < ends - dt.datetime.now(dt.UTC) <= dt.timedelta(seconds=600)
    assert "key" not in upload.fields
    assert "x-amz-signature" in upload.fields
    assert "test" not in {value for name, value in upload.fields.items() if "credential" not in name}


def test_with_a_folder_store_the_pod_gets_the_folder_s_name() -> None:
    upload = upload_policy(StoreLocation("file:///data/store"), PREFIX, 600, 1000)
    assert upload == Upload(kind="folder", prefix=PREFIX, folder=PREFIX)
    with pytest.raises(StoreError, match="no addresses"):
        presigned_get(StoreLocation("file:///data/store"), "x", 60)


@pytest.mark.parametrize("prefix", ["", "..", "runs/../../x", "/runs"])
@pytest.mark.parametrize("url", ["file:///data/store", "s3://results/base"])
def test_a_prefix_that_climbs_is_refused(url: str, prefix: str) -> None:
    with pytest.raises(BadPathError):
        upload_policy(StoreLocation(url), prefix, 60, 10)
