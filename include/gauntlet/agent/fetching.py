"""Getting bytes into the pod: orders and archives by http(s), by file, or from the mounted store.

Addresses are a stranger's: only these schemes are opened, redirects stay within http(s), every download has a limit
of size and time, and what a checksum was given for is kept only when it matches. Credentials in an address become a
header that does not follow redirects, and appear in no message.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO

from gauntlet.agent.failures import Refusal, masked
from gauntlet.agent.workplace import Workplace

CHUNK_BYTES = 1 << 20
ATTEMPTS = 4
TIMEOUT_SECONDS = 60.0
MAX_ORDER_BYTES = 64 << 20


def _opener() -> urllib.request.OpenerDirector:
    """An opener that knows http and https alone: the usual one also opens files and ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _request(url: str) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    user_info, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(  # noqa: S310  (the opener knows http and https alone)
        urllib.parse.urlunsplit(parts._replace(netloc=host)), headers={"User-Agent": "gauntlet-agent"}
    )
    if user_info:
        token = base64.b64encode(urllib.parse.unquote(user_info).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def local_path(url: str, store: Path | None) -> Path | None:
    """The file an address names, or None when it is not a file's.

    :raises Refusal: when the scheme is none of http, https, file, store, or ``store:`` leaves the store.
    """
    scheme = urllib.parse.urlsplit(url).scheme.lower()
    if scheme in ("http", "https"):
        return None
    if scheme == "store":
        if store is None:
            raise Refusal("ContentNotFound", f"{url} lies in the mounted store, but GAUNTLET_STORE_FOLDER is not set")
        root = Path(os.path.realpath(store))
        path = Path(os.path.realpath(root / url[len("store:") :].lstrip("/")))
        if root not in path.parents:
            raise Refusal("ContentUnsafe", f"{url} leads out of the store")
        return path
    if scheme == "file":
        return Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path))
    if scheme == "":
        return Path(url)
    raise Refusal("ContentNotFound", f"{url} cannot be fetched: use https, http, file or store")


def file_name_of(url: str) -> str:
    """The last part of an address's path, safe as a file name."""
    path = url[len("store:") :] if url.startswith("store:") else urllib.parse.urlsplit(url).path
    name = urllib.parse.unquote(path).rstrip("/").rpartition("/")[2]
    kept = "".join(char if char.isalnum() or char in "._+-!" else "_" for char in name).lstrip(".")
    return kept[-200:] or "content"


class _Sink:
    """Writes to a file while counting and hashing."""

    def __init__(self, out: IO[bytes], url: str, max_bytes: int) -> None:
        self._out = out
        self._url = url
        self._max_bytes = max_bytes
        self.bytes = 0
        self.hash = hashlib.sha256()

    def take(self, source: IO[bytes]) -> None:
        while True:
            chunk = source.read(CHUNK_BYTES)
            if not chunk:
                return
            self.bytes += len(chunk)
            if self.bytes > self._max_bytes:
                raise Refusal("ContentTooLarge", f"{self._url} is larger than the limit of {self._max_bytes} bytes")
            self.hash.update(chunk)
            self._out.write(chunk)


def _download_once(url: str, target: Path, max_bytes: int) -> str:
    with _opener().open(_request(url), timeout=TIMEOUT_SECONDS) as response, target.open("wb") as out:
        sink = _Sink(out, url, max_bytes)
        sink.take(response)
        announced = response.headers.get("Content-Length")
        if announced and announced.isdigit() and int(announced) != sink.bytes:
            raise OSError(f"the connection broke after {sink.bytes} of {announced} bytes")
        return sink.hash.hexdigest()


def _download(url: str, target: Path, max_bytes: int) -> str:
    """Try a few times: a store or an index that restarts is not the suite's fault."""
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(0.5 * 2 ** (attempt - 1))
        try:
            return _download_once(url, target, max_bytes)
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            if error.code < 500 and error.code not in (408, 429):
                cause = "ContentNotFound" if error.code in (404, 410) else "ContentUnavailable"
                raise Refusal(cause, f"{url} cannot be fetched: {reason}") from None
        except (OSError, ValueError, urllib.error.URLError) as error:
            reason = str(getattr(error, "reason", error))
    raise Refusal("ContentUnavailable", f"{url} cannot be fetched after {ATTEMPTS} attempts: {reason}")


def fetch(url: str, target: Path, store: Path | None, max_bytes: int) -> str:
    """Copy what an address names to a file.

    :param target: the file to write.
    :param store: the mounted root of the store, for ``store:``.
    :param max_bytes: limit of its size.
    :returns: its sha256, in hex.
    :raises Refusal: ContentNotFound, ContentUnavailable, ContentTooLarge or ContentUnsafe.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    source = local_path(url, store)
    if source is None:
        return _download(url, target, max_bytes)
    try:
        with source.open("rb") as opened, target.open("wb") as out:
            sink = _Sink(out, url, max_bytes)
            sink.take(opened)
            return sink.hash.hexdigest()
    except OSError as error:
        raise Refusal("ContentNotFound", f"{url} cannot be read: {error.strerror}") from None


def fetch_archive(
    url: str,
    sha256: str,
    max_bytes: int,
    workplace: Workplace,
) -> Path:
    """Fetch an archive, or take it from the cache when its checksum says which it is.

    :param sha256: what it must be, in hex; empty to accept what comes.
    :returns: the file, named as in the address.
    :raises Refusal: as :func:`fetch`, or ChecksumMismatch.
    """
    expected = sha256.strip().lower()
    name = file_name_of(url)
    kept = workplace.cache / "archives" / expected / name if workplace.cache and expected.isalnum() else None
    if kept is not None and kept.is_file():
        return kept
    target = workplace.private / "download" / name
    found = fetch(url, target, workplace.store, max_bytes)
    if expected and found != expected:
        target.unlink()
        raise Refusal("ChecksumMismatch", f"{url} has sha256 {found}, but {expected} was expected")
    if kept is None:
        return target
    return _keep(target, kept)


def _keep(target: Path, kept: Path) -> Path:
    """Move a download into the cache; a cache that cannot be written is only slower."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        scratch = kept.with_name(f".{kept.name}.{os.getpid()}.part")
        shutil.copyfile(target, scratch)
        scratch.replace(kept)
    except OSError:
        return target
    target.unlink()
    return kept


def fetch_order(workplace: Workplace) -> str:
    """The text of the order, kept for the main container.

    :raises Refusal: when it cannot be fetched.
    """
    if not workplace.order.exists():
        workplace.work.mkdir(parents=True, exist_ok=True)
        scratch = workplace.order.with_name("order.json.part")
        scratch.touch(mode=0o600)
        fetch(workplace.order_url, scratch, workplace.store, MAX_ORDER_BYTES)
        scratch.replace(workplace.order)
    try:
        return workplace.order.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Refusal("OrderInvalid", f"{masked(workplace.order_url)} is not UTF-8: {error}") from None
