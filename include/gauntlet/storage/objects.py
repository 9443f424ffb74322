"""The object store behind one URL: ``file:///folder`` or ``s3://bucket/prefix``, by paths of ``layout``.

Here: bytes in, bytes out, for the control plane. Not here: what pods may do with the store (``access``), where
anything lies (``layout``). Pods write below their own prefixes, so what is read here is hostile: a path that
climbs out of the store is refused, links inside a folder store are not followed out of it, and reads are limited.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast
from urllib.parse import unquote, urlsplit

from gauntlet.errors import GauntletError

#: More than this is read only by those who ask for it.
MAX_READ_BYTES = 256 * 1024 * 1024


class StoreError(GauntletError):
    """The object store cannot do what was asked."""


class ObjectMissingError(StoreError):
    """There is no such object."""


class BadPathError(StoreError):
    """A path is none that the store would ever use."""


def clean_path(path: str) -> str:
    """A path inside the store, as it was given.

    :raises BadPathError: for anything that could mean another place: absolute, ``..``, backslashes, controls.
    """
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise BadPathError("a path in the store has plain names between single slashes", where=repr(path))
    if any(character < " " or character in "\\\x7f" for character in path):
        raise BadPathError("a path in the store has no backslash and no control character", where=repr(path))
    return path


class StoreSettings(Protocol):
    """The settings that say where the store is; ``gauntlet.settings.Settings`` has them."""

    @property
    def store_url(self) -> str:
        """``file:///folder`` or ``s3://bucket/prefix``."""

    @property
    def store_endpoint_url(self) -> str:
        """Of an S3-compatible service; empty for AWS."""

    @property
    def store_pod_endpoint_url(self) -> str:
        """The same service as pods reach it; empty for the same address."""


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """Where a store is, for those who have no settings."""

    store_url: str
    store_endpoint_url: str = ""
    store_pod_endpoint_url: str = ""


class ObjectStore:
    """Objects by path, whatever lies behind the URL.

    Credentials come from where every AWS client looks: the environment, the profile, the machine's role. An
    instance may be kept for a process's life and across forks.

    :param settings: where the store is.
    :raises StoreError: for a URL of another kind.
    """

    def __init__(self, settings: StoreSettings) -> None:
        parsed = urlsplit(settings.store_url)
        self.url = settings.store_url
        self.endpoint_url = settings.store_endpoint_url
        if parsed.scheme == "file" and parsed.path.startswith("/") and not parsed.netloc:
            self.is_folder = True
            self.root = unquote(parsed.path).rstrip("/")
        elif parsed.scheme == "s3" and parsed.netloc:
            self.is_folder = False
            self.root = f"{parsed.netloc}/{parsed.path.strip('/')}".rstrip("/")
        else:
            raise StoreError(
                "the store must be file:///folder or s3://bucket/prefix",
                where=repr(settings.store_url),
                todo="Set GAUNTLET_STORE_URL",
            )
        self._filesystem: Any = None
        self._process = 0

    @property
    def bucket(self) -> str:
        """The S3 bucket; empty for a folder."""
        return "" if self.is_folder else self.root.partition("/")[0]

    @property
    def key_prefix(self) -> str:
        """What stands before every path in the bucket, without slashes around it; empty for none."""
        return "" if self.is_folder else self.root.partition("/")[2]

    def location(self, path: str) -> str:
        """Where an object is, as people name it: a file's path, or an ``s3://`` address."""
        full = f"{self.root}/{clean_path(path)}"
        return full if self.is_folder else f"s3://{full}"

    def read(self, path: str, *, max_bytes: int = MAX_READ_BYTES) -> bytes:
        """The bytes of an object.

        :raises ObjectMissingError: when there is none.
        :raises StoreError: when it is longer than ``max_bytes``.
        """
        data = self._read_at_once(path, max_bytes + 1)
        if len(data) > max_bytes:
            raise StoreError(f"the object is longer than {max_bytes} bytes", where=path)
        return data

    def _read_at_once(self, path: str, length: int) -> bytes:
        """One request, so that an object that is being rewritten is read as it was or as it is."""
        full = self._full(path)
        try:
            if not self.is_folder:
                return bytes(self._fs.cat_file(full, start=0, end=length))
            with Path(full).open("rb") as stream:
                return stream.read(length)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise ObjectMissingError("there is no such object", where=path) from None
        except OSError as error:
            # S3 has no range of an empty object to give.
            if error.errno == errno.EINVAL and not self.is_folder and self.size(path) == 0:
                return b""
            raise

    def read_if_exists(self, path: str, *, max_bytes: int = MAX_READ_BYTES) -> bytes | None:
        """The bytes of an object, or None when there is none.

        :raises StoreError: when it is longer than ``max_bytes``.
        """
        try:
            return self.read(path, max_bytes=max_bytes)
        except ObjectMissingError:
            return None

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """A stream of the bytes of an object.

        :raises ObjectMissingError: when there is none.
        """
        try:
            stream = self._fs.open(self._full(path), "rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise ObjectMissingError("there is no such object", where=path) from None
        with stream:
            yield cast(BinaryIO, stream)

    def write(self, path: str, data: bytes) -> None:
        """Write an object in one step: a reader sees the old bytes or all of the new ones."""
        full = self._full(path)
        if not self.is_folder:
            self._fs.pipe_file(full, data)
            return
        target = Path(full)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            with unfinished.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)

    def exists(self, path: str) -> bool:
        """Whether there is such an object."""
        return bool(self._fs.isfile(self._full(path)))

    def list(self, prefix: str) -> list[str]:
        """The paths of all objects below a prefix, sorted; empty when there is nothing. Links are left out."""
        full = self._full(prefix)
        if self.is_folder:
            return sorted(self._walk(Path(full)))
        below = len(self.root) + 1
        return sorted(found[below:] for found in self._fs.find(full))

    def size(self, path: str) -> int:
        """The length of an object in bytes.

        :raises ObjectMissingError: when there is none.
        """
        try:
            return int(self._fs.size(self._full(path)))
        except FileNotFoundError:
            raise ObjectMissingError("there is no such object", where=path) from None

    def delete(self, prefix: str) -> None:
        """Delete an object, or everything below a prefix; nothing happens when there is none."""
        full = self._full(prefix)
        if self._fs.exists(full):
            self._fs.rm(full, recursive=True)

    def _walk(self, folder: Path) -> Iterator[str]:
        for parent, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not Path(parent, name).is_symlink()]
            for name in files:
                path = Path(parent, name)
                if not path.is_symlink() and not name.startswith("."):
                    yield str(path.relative_to(self.root))

    def _full(self, path: str) -> str:
        full = f"{self.root}/{clean_path(path)}"
        if self.is_folder and not Path(full).resolve().is_relative_to(Path(self.root or "/").resolve()):
            raise BadPathError("a link leads out of the store", where=path)
        return full

    @property
    def _fs(self) -> Any:
        # s3fs has a thread, and threads do not survive a fork.
        if self._process != os.getpid():
            self._filesystem = _filesystem(self.is_folder, self.endpoint_url)
            self._process = os.getpid()
        return self._filesystem


def _filesystem(is_folder: bool, endpoint_url: str) -> Any:
    import fsspec

    if is_folder:
        return fsspec.filesystem("file")
    # Listings are never cached: other processes write what is looked for.
    options: dict[str, Any] = {"use_listings_cache": False}
    if endpoint_url:
        options |= {"endpoint_url": endpoint_url, "config_kwargs": {"s3": {"addressing_style": "path"}}}
    return fsspec.filesystem("s3", **options)
