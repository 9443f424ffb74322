"""Uploading to a folder and to a real S3 API."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from gauntlet.agent.contract import Upload
from gauntlet.agent.failures import UploadError
from gauntlet.agent.uploading import FolderUploader, PostUploader, policy_allows, uploader_for

if TYPE_CHECKING:
    from conftest import Pod

SCRIPT = b"import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('<testsuite/>')"
PREFIX = "runs/exec-1/shards/0/attempts/1"


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """An S3 client of a server of this module's own."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket="store")
    yield client
    server.stop()


def policy(s3: Any, *conditions: Any, **fields: str) -> dict[str, Any]:
    """A POST policy as the control plane makes them."""
    made = s3.generate_presigned_post(
        "store",
        PREFIX + "/${filename}",
        Fields=fields,
        Conditions=[["starts-with", "$key", PREFIX], *conditions],
        ExpiresIn=600,
    )
    assert isinstance(made, dict)
    return made


def presigned(s3: Any, key: str) -> str:
    """An address to GET an object from."""
    return str(s3.generate_presigned_url("get_object", Params={"Bucket": "store", "Key": key}, ExpiresIn=600))


def stored(s3: Any, path: str) -> Any:
    """An object."""
    return s3.get_object(Bucket="store", Key=f"{PREFIX}/{path}")


def test_a_post_puts_bytes_and_files_below_the_prefix(s3: Any, tmp_path: Path) -> None:
    made = policy(s3, ["starts-with", "$Content-Type", ""])
    uploader = uploader_for(Upload("post", PREFIX, url=made["url"], fields=made["fields"]), None)
    uploader.put_bytes("manifest.json", b'{"a": "\xc3\xbc"}', "application/json")
    (tmp_path / "big").write_bytes(b"0123456789" * 500_000)
    uploader.put_file("artifacts/grün & more.bin", tmp_path / "big", "application/octet-stream")
    manifest = stored(s3, "manifest.json")
    assert manifest["Body"].read() == b'{"a": "\xc3\xbc"}'
    assert manifest["ContentType"] == "application/json"
    assert stored(s3, "artifacts/grün & more.bin")["ContentLength"] == 5_000_000


def test_a_content_type_is_sent_only_when_the_policy_knows_it(s3: Any) -> None:
    with_type = policy(s3, ["starts-with", "$Content-Type", ""])
    without = policy(s3)
    assert policy_allows(with_type["fields"]["policy"], "content-type")
    assert not policy_allows(without["fields"]["policy"], "content-type")
    PostUploader(without["url"], without["fields"], PREFIX).put_bytes("plain", b"x", "text/plain")
    assert stored(s3, "plain")["Body"].read() == b"x"


def test_a_pod_without_mounts_reads_by_presigned_get_and_writes_by_policy(s3: Any, pod: Pod) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo("check.py")
        info.size = len(SCRIPT)
        tar.addfile(info, io.BytesIO(SCRIPT))
    s3.put_object(Bucket="store", Key="contents/a.tar.gz", Body=packed.getvalue())
    pod.content.rmdir()
    made = policy(s3, ["starts-with", "$Content-Type", ""])
    pod.order(
        content={"type": "archive", "url": presigned(s3, "contents/a.tar.gz")},
        command=["{python}", "{content}/check.py", "{results}/out.xml"],
        upload={"kind": "post", "prefix": PREFIX, "url": made["url"], "fields": made["fields"]},
        reports=[{"path": "out.xml", "format": "junit"}],
    )
    s3.put_object(Bucket="store", Key="orders/1.json", Body=(pod.root / "order.json").read_bytes())
    mounts = {"GAUNTLET_ORDER_URL": presigned(s3, "orders/1.json"), "GAUNTLET_STORE_FOLDER": ""}
    assert pod.run("prepare", **mounts) == 0, pod.log
    assert pod.run("run", **mounts) == 0, pod.log
    manifest = json.loads(stored(s3, "manifest.json")["Body"].read())
    assert (manifest["state"], manifest["exit_code"]) == ("completed", 0)
    assert stored(s3, "reports/out.xml")["Body"].read() == b"<testsuite/>"
    assert json.loads(stored(s3, "heartbeat.json")["Body"].read())["state"] == "completed"
    assert b"Signature" not in pod.log


@pytest.mark.parametrize("text", ["", "no base64!", "e30=", "W10="])
def test_a_policy_that_is_none_allows_nothing(text: str) -> None:
    assert policy_allows(text, "content-type") is False


class Answers(ThreadingHTTPServer):
    """Answers POSTs with the statuses it was given, then with 204; None is a broken connection."""

    daemon_threads = True

    def __init__(self, statuses: list[int | None]) -> None:
        super().__init__(("127.0.0.1", 0), AnswersHandler)
        self.statuses = statuses
        self.bodies: list[bytes] = []


class AnswersHandler(BaseHTTPRequestHandler):
    server: Answers

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        if status is None:
            self.connection.close()
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def posted(statuses: list[int | None], tmp_path: Path) -> list[bytes]:
    """What a store with these answers received of one file."""
    with Answers(statuses) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            (tmp_path / "f").write_bytes(b"payload")
            url = f"http://127.0.0.1:{server.server_address[1]}/store"
            PostUploader(url, {"policy": "secret-policy", "key": "x"}, PREFIX).put_file("f", tmp_path / "f", "a/b")
            return server.bodies
        finally:
            server.shutdown()
            thread.join()


def test_a_store_that_fails_for_a_while_gets_the_whole_file_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gauntlet.agent.uploading.time.sleep", lambda _: None)
    bodies = posted([503, None, 500, 429], tmp_path)
    assert len(bodies) == 5
    assert b"payload" in bodies[-1]
    assert f'name="key"\r\n\r\n{PREFIX}/f\r\n'.encode() in bodies[-1]
    assert bodies[-1].index(b'name="file"') > bodies[-1].index(b'name="policy"')


def test_a_refusal_is_not_tried_again_and_repeats_no_policy(tmp_path: Path) -> None:
    with pytest.raises(UploadError, match="HTTP 403") as failed:
        posted([403], tmp_path)
    assert "secret-policy" not in str(failed.value)


def test_a_folder_has_whole_files_only(tmp_path: Path) -> None:
    uploader = FolderUploader(tmp_path / PREFIX)
    uploader.put_bytes("cases/1.jsonl", b"{}\n", "x")
    uploader.put_bytes("cases/1.jsonl", b"{}\n{}\n", "x", hasty=True)
    assert [path.name for path in (tmp_path / PREFIX / "cases").iterdir()] == ["1.jsonl"]
    assert (tmp_path / PREFIX / "cases/1.jsonl").read_bytes() == b"{}\n{}\n"


@pytest.mark.parametrize("path", ["", "/etc/x", "../x", "a/../../x", "a//b", "a\0b"])
def test_no_path_leads_out_of_the_prefix(tmp_path: Path, path: str) -> None:
    with pytest.raises(UploadError):
        FolderUploader(tmp_path).put_bytes(path, b"", "x")


def test_the_mounted_store_and_the_prefix_name_the_folder(tmp_path: Path) -> None:
    uploader_for(Upload("folder", PREFIX), tmp_path).put_bytes("m", b"1", "x")
    assert (tmp_path / PREFIX / "m").read_bytes() == b"1"


@pytest.mark.parametrize(
    "upload",
    [Upload("ftp", PREFIX), Upload("folder", PREFIX), Upload("post", PREFIX, url="file:///x")],
)
def test_an_upload_that_cannot_work_says_why(upload: Upload) -> None:
    with pytest.raises(UploadError):
        uploader_for(upload, None)


def test_a_prefix_cannot_climb_out_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(UploadError):
        uploader_for(Upload("folder", "runs/../../x"), tmp_path)
