"""The init container: real uv, real environments, and what is said when they cannot be had."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import subprocess
import tarfile
import threading
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gauntlet.agent.environments import Environments, Wanted
from gauntlet.agent.installers import Pip

if TYPE_CHECKING:
    from conftest import Pod

TESTS = "import demo\ndef test_demo(): assert demo.ANSWER == 42\n"


def wheel(path: Path) -> Path:
    """A distribution without dependencies, made by hand so that no index is needed."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("demo/__init__.py", "ANSWER = 42\n")
        archive.writestr("demo/test_demo.py", TESTS)
        archive.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        archive.writestr("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("demo-1.0.dist-info/RECORD", "")
    return path


def packed(path: Path, **files: str) -> str:
    """A tar.gz of files; names have ``__`` for a slash.

    :returns: its sha256.
    """
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def note(pod: Pod) -> dict[str, Any]:
    """What the init container left for the main container."""
    found = json.loads((pod.work / "prepared.json").read_text())
    assert isinstance(found, dict)
    return found


def archive_order(pod: Pod, url: str, **content: Any) -> None:
    """An order for an archive."""
    pod.content.rmdir()
    pod.order(content={"type": "archive", "url": url, **content})


def test_a_wheel_is_installed_into_an_environment_of_its_own(pod: Pod) -> None:
    wheel(pod.store / "any-name")
    archive_order(pod, "store:any-name", install=True)
    assert pod.run("prepare") == 0, pod.log
    prepared = note(pod)
    script = "import demo, sys; print(demo.ANSWER, [path for path in sys.path if 'gauntlet' in path])"
    done = subprocess.run([prepared["python"], "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["42", "[]"]
    assert Path(prepared["site_packages"], "demo", "__pycache__").is_dir()
    assert len(prepared["environment_lock"]) == 64
    assert pod.json("heartbeat.json")["state"] == "preparing"


def test_the_second_pod_reuses_the_environment_without_the_index(pod: Pod) -> None:
    path = wheel(pod.store / "demo.whl")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    archive_order(pod, "store:demo.whl", install=True, sha256=digest)
    assert pod.run("prepare") == 0
    first = note(pod)
    path.unlink()
    begun = time.monotonic()
    assert pod.run("prepare", GAUNTLET_UV="/bin/false") == 0, pod.log
    assert time.monotonic() - begun < 5
    assert note(pod)["python"] == first["python"]
    assert b"reused" in pod.log
    environment = Path(first["python"]).parents[1]
    assert environment.parent == pod.cache / "environments"
    assert (environment / "last-used").exists()


def test_two_pods_at_once_build_one_environment(pod: Pod, tmp_path: Path) -> None:
    wheel(pod.store / "demo.whl")
    archive_order(pod, "store:demo.whl", install=True)
    works = [tmp_path / "one", tmp_path / "two"]
    codes: list[int] = []

    def prepare(work: Path) -> None:
        process = pod.start("prepare", GAUNTLET_WORK=str(work))
        process.communicate(timeout=60)
        codes.append(process.returncode)

    threads = [threading.Thread(target=prepare, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0]
    # The wheel lies in each pod's own folder, so what they share is the environment built from its checksum.
    assert len(list((pod.cache / "environments").iterdir())) == 1


def test_a_tree_is_unpacked_and_the_folder_of_a_repository_at_its_top_is_the_content(pod: Pod) -> None:
    packed(pod.store / "v1.tar.gz", project__tests__test_a="", project__README="x")
    archive_order(pod, "store:v1.tar.gz")
    assert pod.run("prepare") == 0, pod.log
    assert note(pod)["content"] == str(pod.work / "content" / "project")


BACKEND = """
import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as archive:
        archive.write("demo.py")
        archive.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n")
        tags = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        archive.writestr("demo-1.0.dist-info/WHEEL", tags)
        archive.writestr("demo-1.0.dist-info/RECORD", "")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "demo"
version = "1.0"
"""


def test_an_sdist_is_installed_and_its_tree_is_the_content(pod: Pod) -> None:
    with tarfile.open(pod.store / "demo-1.0.tar.gz", "w:gz") as tar:
        for name, text in (("backend.py", BACKEND), ("pyproject.toml", PROJECT), ("demo.py", "ANSWER = 42\n")):
            info = tarfile.TarInfo(f"demo-1.0/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    archive_order(pod, "store:demo-1.0.tar.gz", install=True)
    assert pod.run("prepare") == 0, pod.log
    assert pod.manifest_if_any() is None, pod.manifest
    prepared = note(pod)
    assert prepared["content"] == str(pod.work / "content" / "demo-1.0")
    assert Path(prepared["site_packages"], "demo.py").exists()


def test_what_the_control_plane_packed_is_taken_as_it_is(pod: Pod) -> None:
    digest = packed(pod.store / "x", tests__test_a="")
    (pod.store / "contents").mkdir()
    (pod.store / "x").rename(pod.store / "contents" / f"{digest}.tar.gz")
    archive_order(pod, f"store:contents/{digest}.tar.gz", sha256=digest)
    assert pod.run("prepare") == 0, pod.log
    assert note(pod)["content"] == str(pod.work / "content")
    assert (pod.work / "content" / "tests").is_dir()


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ({"url": "store:missing.zip"}, "ContentNotFound"),
        ({"url": "store:tree.tar.gz", "sha256": "0" * 64}, "ChecksumMismatch"),
        ({"url": "store:tree.tar.gz", "max_bytes": 10}, "ContentTooLarge"),
        ({"url": "store:evil.tar.gz"}, "ContentUnsafe"),
        ({"url": "store:text.zip"}, "ContentUnreadable"),
    ],
)
def test_content_that_cannot_be_used_is_the_result_and_not_a_failed_pod(
    pod: Pod, content: dict[str, Any], cause: str
) -> None:
    packed(pod.store / "tree.tar.gz", a="x" * 100)
    packed(pod.store / "evil.tar.gz", **{"..__evil": "x"})
    (pod.store / "text.zip").write_text("hello")
    archive_order(pod, **content)
    assert pod.run("prepare") == 0
    manifest = pod.manifest
    assert (manifest["state"], manifest["cause"]) == ("could-not-run", cause)
    assert manifest["message"]
    assert note(pod)["refused"] is True
    assert pod.run("run") == 0
    assert pod.manifest == manifest


def test_a_requirement_that_cannot_be_had_shows_what_the_installer_said_without_credentials(pod: Pod) -> None:
    url = "https://user:hunter2@127.0.0.1:9/simple"
    pod.order(environment={"requirements": ["no-such-thing-at-all==1"]})
    index = {name: "" for name in pod.environ if name.startswith(("UV_", "PIP_"))}
    settings = {"UV_DEFAULT_INDEX": url, "UV_HTTP_RETRIES": "0", "UV_FIND_LINKS": "", "UV_NO_CONFIG": "1"}
    assert pod.run("prepare", **{**{key: value for key, value in index.items() if value}, **settings}) == 0
    assert (pod.manifest["state"], pod.manifest["cause"]) == ("could-not-run", "EnvironmentFailed")
    text = (pod.attempt / "manifest.json").read_text()
    assert "no-such-thing-at-all" in text or "127.0.0.1" in text
    assert "hunter2" not in text
    assert b"hunter2" not in pod.log


def test_a_requirements_file_outside_the_content_is_refused(pod: Pod) -> None:
    packed(pod.store / "t.tar.gz", a="", b="")
    pod.content.rmdir()
    pod.order(
        content={"type": "archive", "url": "store:t.tar.gz"}, environment={"requirements_files": ["../../order.json"]}
    )
    assert pod.run("prepare") == 0
    assert pod.manifest["cause"] == "EnvironmentFailed"
    assert "outside the content" in pod.manifest["message"]


def test_a_pod_that_is_stopped_while_it_waits_is_cancelled(pod: Pod) -> None:
    waiting = pod.root / "uv"
    waiting.write_text(f"#!/bin/sh\ntouch {pod.root}/begun\nexec sleep 600\n")
    waiting.chmod(0o755)
    pod.order(environment={"requirements": ["demo"]})
    agent = pod.start("prepare", GAUNTLET_UV=str(waiting))
    try:
        deadline = time.monotonic() + 20
        while not (pod.root / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(timeout=20) == 0
    finally:
        agent.kill()
        agent.communicate()
    assert pod.manifest["state"] == "cancelled"
    assert note(pod)["refused"] is True


def test_without_an_order_the_pod_fails_and_says_why(pod: Pod) -> None:
    assert pod.run("prepare") == 64
    assert b"order.json cannot be read" in pod.log
    (pod.root / "order.json").write_text('{"kind": "shard"}')
    assert pod.run("prepare") == 64
    assert b"not a Order" in pod.log or b"missing" in pod.log


@pytest.mark.slow
def test_requirements_from_the_index_become_an_environment_that_runs_a_suite(pod: Pod) -> None:
    wheel(pod.store / "demo.whl")
    pod.content.rmdir()
    command = ["{python}", "-m", "pytest", "-p", "gauntlet_pytest", "--rootdir={site_packages}", "--pyargs", "demo"]
    fields: dict[str, Any] = {
        "content": {"type": "archive", "url": "store:demo.whl", "install": True},
        "environment": {"requirements": ["pytest==8.4.2", "iniconfig"]},
        "command": command,
    }
    pod.order(kind="inventory", inventory_key="demo-1", **fields)
    assert pod.run("prepare") == 0, pod.log
    assert pod.run("run") == 0, pod.log
    assert [entry["id"] for entry in pod.inventory] == ["demo/test_demo.py::test_demo"]
    (pod.work / "order.json").unlink()
    pod.order(cases=["demo/test_demo.py::test_demo"], **fields)
    assert pod.run("prepare") == 0
    assert pod.run("run") == 0
    assert pod.statuses == {"demo/test_demo.py::test_demo": "passed"}
    assert pod.manifest["environment_lock"]
    assert pod.manifest["phases"]["environment"] < 2


@pytest.mark.slow
def test_pip_builds_the_same_environment_where_there_is_no_uv(pod: Pod) -> None:
    name = "demo-1.0-py3-none-any.whl"
    path = wheel(pod.root / name)
    environments = Environments(pod.cache, Pip(pod.environ), pod.work / "build")
    wanted = Wanted([], [], pod.content, distribution=str(path), distribution_sha256="abc")
    built = environments.provide(wanted, 60)
    script = "import demo; print(demo.ANSWER)"
    done = subprocess.run([built.python, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"
    pip = subprocess.run([built.folder / "bin" / "pip", "--version"], capture_output=True, text=True, check=False)
    assert pip.returncode == 0
    assert environments.provide(wanted, 60).reused
