"""Fetching from a real server on loopback, from files and from a mounted store."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gauntlet.agent.failures import Refusal
from gauntlet.agent.fetching import fetch, fetch_archive, file_name_of
from gauntlet.agent.workplace import Workplace

BODY = b"some bytes" * 100
SHA256 = hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Answers by path and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str]] = []
        self.failures_left = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Authorization", "")))
        if self.path.startswith("/redirect/"):
            self.send_response(302)
            self.send_header("Location", self.path[len("/redirect/") :])
            self.end_headers()
        elif self.path.startswith("/status/"):
            self.send_error(int(self.path[len("/status/") :].partition("?")[0]))
        elif self.server.failures_left:
            self.server.failures_left -= 1
            self.send_error(503)
        else:
            self.send_response(200)
            claimed = len(BODY) * 2 if self.path == "/short" else len(BODY)
            self.send_header("Content-Length", str(claimed))
            self.end_headers()
            self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of a test's own."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def workplace(root: Path, *, cached: bool = False) -> Workplace:
    """A workplace below a folder."""
    for name in ("work", "store", "cache"):
        (root / name).mkdir(exist_ok=True)
    return Workplace("", root / "work", root / "store", root / "cache" if cached else None)


def test_a_download_is_written_and_hashed(server: Server, tmp_path: Path) -> None:
    assert fetch(f"{server.url}/a", tmp_path / "a", None, 10_000) == SHA256
    assert (tmp_path / "a").read_bytes() == BODY


def test_a_server_that_recovers_is_waited_for(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gauntlet.agent.fetching.time.sleep", lambda _: None)
    server.failures_left = 2
    assert fetch(f"{server.url}/a", tmp_path / "a", None, 10_000) == SHA256
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("/status/404", "ContentNotFound"),
        ("/status/403", "ContentUnavailable"),
        ("/status/500", "ContentUnavailable"),
        ("/short", "ContentUnavailable"),
        ("/redirect/file:///etc/passwd", "ContentUnavailable"),
        ("/redirect/ftp://127.0.0.1/x", "ContentUnavailable"),
    ],
)
def test_what_cannot_be_had_is_refused_with_its_cause(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, cause: str
) -> None:
    monkeypatch.setattr("gauntlet.agent.fetching.time.sleep", lambda _: None)
    with pytest.raises(Refusal) as refused:
        fetch(server.url + path, tmp_path / "a", None, 10_000)
    assert refused.value.cause == cause


def test_a_download_over_the_limit_is_broken_off(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="ContentTooLarge"):
        fetch(f"{server.url}/a", tmp_path / "a", None, 100)


def test_credentials_become_a_header_that_does_not_follow_redirects(server: Server, tmp_path: Path) -> None:
    with_user = server.url.replace("http://", "http://me:pa%20ss@")
    fetch(f"{with_user}/redirect/{server.url}/a", tmp_path / "a", None, 10_000)
    expected = "Basic " + base64.b64encode(b"me:pa ss").decode()
    assert [header for _, header in server.seen] == [expected, ""]


def test_no_message_repeats_credentials(server: Server, tmp_path: Path) -> None:
    url = server.url.replace("http://", "http://me:hunter2@") + "/status/404?X-Amz-Signature=cafe&x=1"
    with pytest.raises(Refusal) as refused:
        fetch(url, tmp_path / "a", None, 10_000)
    assert "hunter2" not in str(refused.value)
    assert "cafe" not in str(refused.value)
    assert "***" in refused.value.message


def test_files_and_the_mounted_store_are_read(tmp_path: Path) -> None:
    place = workplace(tmp_path)
    (tmp_path / "store/contents").mkdir()
    (tmp_path / "store/contents/a.tar.gz").write_bytes(BODY)
    for url in ("store:contents/a.tar.gz", str(tmp_path / "store/contents/a.tar.gz")):
        assert fetch(url, tmp_path / "a", place.store, 10_000) == SHA256
    assert fetch(f"file://{tmp_path}/store/contents/a.tar.gz", tmp_path / "a", None, 10_000) == SHA256


@pytest.mark.parametrize("url", ["store:../secret", "store:contents/../../secret", "store:leak"])
def test_a_store_address_cannot_leave_the_store(tmp_path: Path, url: str) -> None:
    place = workplace(tmp_path)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "store/leak").symlink_to(tmp_path / "secret")
    with pytest.raises(Refusal, match="ContentUnsafe"):
        fetch(url, tmp_path / "a", place.store, 10_000)


@pytest.mark.parametrize("url", ["ftp://host/x", "data:text/plain,x", "/no/such/file"])
def test_other_schemes_and_missing_files_are_not_found(tmp_path: Path, url: str) -> None:
    with pytest.raises(Refusal, match="ContentNotFound"):
        fetch(url, tmp_path / "a", None, 10_000)


def test_an_archive_that_is_not_what_was_promised_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refused:
        fetch_archive(f"{server.url}/a.zip", "0" * 64, 10_000, workplace(tmp_path, cached=True))
    assert refused.value.cause == "ChecksumMismatch"
    assert SHA256 in refused.value.message
    assert not list((tmp_path / "cache").rglob("a.zip"))


def test_an_archive_with_a_checksum_is_fetched_once(server: Server, tmp_path: Path) -> None:
    place = workplace(tmp_path, cached=True)
    first = fetch_archive(f"{server.url}/a.zip", SHA256, 10_000, place)
    second = fetch_archive(f"{server.url}/a.zip", SHA256.upper(), 10_000, place)
    assert first == second
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://host/a/demo-1.0.tar.gz?sig=1", "demo-1.0.tar.gz"),
        ("store:contents/abc.tar.gz", "abc.tar.gz"),
        ("https://host/", "content"),
        ("https://host/%2e%2e%2f..", "content"),
        ("https://host/a%2fb%20c.zip", "b_c.zip"),
    ],
)
def test_a_file_name_is_taken_from_the_address(url: str, name: str) -> None:
    assert file_name_of(url) == name
