"""Leaving files in the store: in a mounted folder, or by an S3 POST policy.

Both write below the attempt's prefix only. A folder's files appear whole or not at all; a POST streams the file, so
that its size does not matter, and is tried again when the store or the way to it fails. The agent holds no other
credentials than the policy, and no message repeats it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import http.client
import io
import json
import os
import shutil
import ssl
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from gauntlet.agent.contract import Upload
from gauntlet.agent.failures import UploadError, masked

CHUNK_BYTES = 1 << 20
PATIENT_ATTEMPTS = 7
HASTY_ATTEMPTS = 1
PATIENT_TIMEOUT_SECONDS = 120.0
HASTY_TIMEOUT_SECONDS = 10.0


class Uploader(Protocol):
    """Where files of an attempt go."""

    def put_bytes(self, path: str, data: bytes, content_type: str, *, hasty: bool = False) -> None:
        """Write a small object, replacing it.

        :param path: relative to the attempt's prefix.
        :param hasty: try once and soon give up; for what is written again anyway.
        :raises UploadError: when the store did not take it.
        """

    def put_file(self, path: str, file: Path, content_type: str) -> None:
        """Write a file of any size.

        :raises UploadError: when the store did not take it.
        """


def checked(path: str) -> str:
    """A relative path that stays where it is put.

    :raises UploadError: when it does not.
    """
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or "" in parts or "\0" in path:
        raise UploadError(f"{path!r} is no path below the attempt's prefix")
    return path


class FolderUploader:
    """A mounted folder.

    :param root: the folder that stands for the attempt's prefix.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put_bytes(self, path: str, data: bytes, content_type: str, *, hasty: bool = False) -> None:
        """See :class:`Uploader`; on the disk for good when this returns, unless ``hasty``."""
        self._put(path, io.BytesIO(data), durable=not hasty)

    def put_file(self, path: str, file: Path, content_type: str) -> None:
        """See :class:`Uploader`."""
        with file.open("rb") as source:
            self._put(path, source, durable=False)

    def _put(self, path: str, source: IO[bytes], *, durable: bool) -> None:
        target = self._root / checked(path)
        scratch = target.with_name(f".{target.name[-100:]}.{uuid.uuid4().hex}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with scratch.open("wb") as out:
                    shutil.copyfileobj(source, out, CHUNK_BYTES)
                    if durable:
                        out.flush()
                        os.fsync(out.fileno())
                scratch.replace(target)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    scratch.unlink()
            if durable:
                _sync_folder(target.parent)
        except OSError as error:
            raise UploadError(f"{path} cannot be written to the mounted store: {error}") from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Body:
    """A multipart/form-data body that is read as it is sent (RFC 7578)."""

    def __init__(self, fields: dict[str, str], name: str, content_type: str, source: IO[bytes], size: int) -> None:
        boundary = uuid.uuid4().hex
        head = io.BytesIO()
        for key, value in fields.items():
            head.write(f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(key)}"\r\n\r\n'.encode())
            head.write(f"{value}\r\n".encode())
        # S3 ignores every field behind the file, so it comes last.
        disposition = f'form-data; name="file"; filename="{_quoted(name)}"'
        head.write(f"--{boundary}\r\nContent-Disposition: {disposition}\r\n".encode())
        head.write(f"Content-Type: {content_type}\r\n\r\n".encode())
        self._head = head.getvalue()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._source = source
        self._size = size
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.bytes = len(self._head) + size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        left = self._size
        while left > 0:
            chunk = self._source.read(min(CHUNK_BYTES, left))
            if not chunk:
                raise OSError(f"the file shrank by {left} bytes while it was sent")
            left -= len(chunk)
            yield chunk
        yield self._tail


def _quoted(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def policy_allows(policy: str, field: str) -> bool:
    """Whether a base64 POST policy has a condition on a field; S3 refuses fields it has none for."""
    try:
        conditions = json.loads(base64.b64decode(policy))["conditions"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        return False
    return any(_concerns(condition, field.lower()) for condition in conditions)


def _concerns(condition: Any, field: str) -> bool:
    if isinstance(condition, dict):
        return any(str(key).lower() == field for key in condition)
    return isinstance(condition, list) and len(condition) > 1 and str(condition[1]).lower() == f"${field}"


class PostUploader:
    """An S3 POST policy bound to a prefix."""

    def __init__(self, url: str, fields: dict[str, str], prefix: str) -> None:
        self._url = urllib.parse.urlsplit(url)
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise UploadError(f"{masked(url)} is no http(s) address to POST to")
        self._fields = {key: value for key, value in fields.items() if key != "key"}
        self._prefix = prefix.rstrip("/")
        self._typed = policy_allows(fields.get("policy", ""), "content-type")

    def put_bytes(self, path: str, data: bytes, content_type: str, *, hasty: bool = False) -> None:
        """See :class:`Uploader`."""
        self._put(path, io.BytesIO(data), len(data), content_type, hasty=hasty)

    def put_file(self, path: str, file: Path, content_type: str) -> None:
        """See :class:`Uploader`."""
        with file.open("rb") as source:
            self._put(path, source, os.fstat(source.fileno()).st_size, content_type, hasty=False)

    def _put(self, path: str, source: IO[bytes], size: int, content_type: str, *, hasty: bool) -> None:
        fields = {**self._fields, "key": f"{self._prefix}/{checked(path)}"}
        if self._typed:
            fields["Content-Type"] = content_type
        attempts = HASTY_ATTEMPTS if hasty else PATIENT_ATTEMPTS
        reason = ""
        for attempt in range(attempts):
            if attempt:
                time.sleep(min(8.0, 0.25 * 2 ** (attempt - 1)))
            source.seek(0)
            body = _Body(fields, path.rpartition("/")[2], content_type, source, size)
            timeout_seconds = HASTY_TIMEOUT_SECONDS if hasty else PATIENT_TIMEOUT_SECONDS
            try:
                status, answer = self._post(body, timeout_seconds)
            except (OSError, http.client.HTTPException) as error:
                reason = f"{type(error).__name__}: {error}"
                continue
            if status in (200, 201, 204):
                return
            reason = f"HTTP {status} {answer}"
            if status < 500 and status not in (408, 429):
                break
        raise UploadError(masked(f"{path} was not taken by {self._url.hostname}: {reason}"))

    def _post(self, body: _Body, timeout_seconds: float) -> tuple[int, str]:
        connection = self._connection(timeout_seconds)
        try:
            target = urllib.parse.urlunsplit(("", "", self._url.path or "/", self._url.query, ""))
            headers = {"Content-Type": body.content_type, "Content-Length": str(body.bytes)}
            # A store that refuses early closes its ear but has answered: that answer says why.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request("POST", target, body=iter(body), headers=headers)
            response = connection.getresponse()
            return response.status, response.read(2048).decode("utf-8", "replace")
        finally:
            connection.close()

    def _connection(self, timeout_seconds: float) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(
                host, port, timeout=timeout_seconds, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, port, timeout=timeout_seconds)


def uploader_for(upload: Upload, store: Path | None) -> Uploader:
    """The uploader an order asks for.

    :param store: the mounted root of a ``file://`` store.
    :raises UploadError: when the order names none that can work here.
    """
    if upload.kind == "post":
        return PostUploader(upload.url, upload.fields, upload.prefix)
    if upload.kind != "folder":
        raise UploadError(f"upload.kind is {upload.kind!r}; it must be folder or post")
    if store is not None:
        return FolderUploader(store / checked(upload.prefix.rstrip("/")))
    if not upload.folder:
        raise UploadError("upload.kind is folder, but neither GAUNTLET_STORE_FOLDER nor upload.folder says which")
    return FolderUploader(Path(upload.folder))
