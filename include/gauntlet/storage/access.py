"""What a pod may do with the object store, and nothing more: read one object, or write below one prefix, for a time.

Pods hold no credentials of the store. With S3 they get signatures made here; with a folder store the folder itself
is mounted, and then the kernel's permissions are all there is.
"""

from __future__ import annotations

from typing import Any

from gauntlet.agent.contract import Upload
from gauntlet.storage.objects import ObjectStore, StoreError, StoreSettings, clean_path

#: The longest a signature of AWS's version 4 may last: seven days.
MAX_SECONDS = 7 * 24 * 3600


def presigned_get(settings: StoreSettings, path: str, seconds: int) -> str:
    """An address from which whoever holds it may read one object.

    :param path: of the object in the store.
    :param seconds: how long it may be read; at most seven days.
    :raises StoreError: for a folder store, which has no addresses.
    """
    store = ObjectStore(settings)
    if store.is_folder:
        raise StoreError("a folder store has no addresses that pods could read", where=store.url)
    url: str = _client(settings).generate_presigned_url(
        "get_object",
        Params={"Bucket": store.bucket, "Key": _key(store, path)},
        ExpiresIn=min(seconds, MAX_SECONDS),
    )
    return url


def upload_policy(settings: StoreSettings, prefix: str, seconds: int, max_bytes: int) -> Upload:
    """Leave to write below one prefix, and nowhere else.

    With S3 it is a POST policy: the key must begin with the prefix and a slash, an object has at most ``max_bytes``,
    and any content type may be named. ``Upload.prefix`` is then the prefix within the bucket. With a folder store it
    names the folder below the store's root, which the pod has mounted.

    :param prefix: of one attempt, in the store.
    :param seconds: how long objects may be written; at most seven days.
    :param max_bytes: of one object.
    """
    store = ObjectStore(settings)
    if store.is_folder:
        clean = clean_path(prefix)
        return Upload(kind="folder", prefix=clean, folder=clean)
    key = _key(store, prefix)
    # boto3 turns this ending into the condition ["starts-with", "$key", key + "/"].
    post = _client(settings).generate_presigned_post(
        store.bucket,
        f"{key}/${{filename}}",
        Conditions=[["content-length-range", 0, max_bytes], ["starts-with", "$Content-Type", ""]],
        ExpiresIn=min(seconds, MAX_SECONDS),
    )
    fields = {name: str(value) for name, value in post["fields"].items() if name != "key"}
    return Upload(kind="post", prefix=key, url=str(post["url"]), fields=fields)


def _key(store: ObjectStore, path: str) -> str:
    return f"{store.key_prefix}/{clean_path(path)}" if store.key_prefix else clean_path(path)


def _client(settings: StoreSettings) -> Any:
    import boto3
    from botocore.config import Config

    endpoint = settings.store_pod_endpoint_url or settings.store_endpoint_url
    # An S3-compatible service is rarely reachable under a host name per bucket.
    style = "path" if endpoint else "auto"
    # A session of its own: boto3's default session is not safe between threads.
    return boto3.session.Session().client(
        "s3", endpoint_url=endpoint or None, config=Config(signature_version="s3v4", s3={"addressing_style": style})
    )
