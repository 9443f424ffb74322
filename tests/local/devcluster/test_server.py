"""devcluster as a process: how it starts, what it keeps, and that nothing survives it."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from kubernetes import client, config

from gauntlet.local.devcluster import server
from gauntlet.local.devcluster.__main__ import options
from gauntlet.local.devcluster.testing import RunningCluster, running


@pytest.fixture(autouse=True)
def _temporary_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed devcluster leaves there is nobody else's."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and mark in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def until_gone(mark: str) -> None:
    deadline = time.monotonic() + 15
    while left := marked(mark):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def start_runaways(cluster: RunningCluster, mark: str) -> None:
    """Run a pod with an orphan, a process of its own session, and a main process."""
    connection = config.new_client_from_config(str(cluster.kubeconfig))
    script = f"setsid sleep {mark} & (setsid sh -c 'sleep {mark}; true' &) ; sleep {mark}"
    body = {
        "metadata": {"name": "runaway"},
        "spec": {"containers": [{"name": "c", "image": "busybox", "command": ["sh", "-c", script]}]},
    }
    client.CoreV1Api(connection).create_namespaced_pod("default", body)
    connection.close()
    deadline = time.monotonic() + 20
    while len(marked(mark)) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_survives_devcluster(tmp_path: Path, number: signal.Signals) -> None:
    mark = f"8{secrets.randbelow(10**9):09d}"
    with running(tmp_path / "state") as cluster:
        start_runaways(cluster, mark)
        cluster.process.send_signal(number)
        cluster.process.wait(20)
        until_gone(mark)


@pytest.mark.slow
def test_what_survives_the_killing_of_everyone_is_swept_at_the_next_start(tmp_path: Path) -> None:
    mark = f"9{secrets.randbelow(10**9):09d}"
    state = tmp_path / "state"
    with running(state) as cluster:
        start_runaways(cluster, mark)
        family = psutil.Process(cluster.process.pid).children(recursive=True)
        keepers = [p for p in family if "shim.py" in " ".join(p.cmdline())]
        for process in (psutil.Process(cluster.process.pid), *keepers):
            process.kill()
        cluster.process.wait(20)
    with running(state):
        until_gone(mark)


@pytest.mark.slow
def test_a_restart_forgets_pods_and_keeps_tokens_and_volumes(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running(state) as cluster:
        kubeconfig = cluster.kubeconfig.read_text()
        port = cluster.port
        start_runaways(cluster, f"3{secrets.randbelow(10**9):09d}")
    with running(state, ["--port", str(port)]) as cluster:
        assert cluster.kubeconfig.read_text() == kubeconfig
        connection = config.new_client_from_config(str(cluster.kubeconfig))
        assert client.CoreV1Api(connection).list_pod_for_all_namespaces().items == []
        connection.close()


@pytest.mark.slow
def test_two_devclusters_cannot_share_a_state_directory_or_a_port(tmp_path: Path) -> None:
    with running(tmp_path / "state") as cluster:
        for folder, port, message in (
            (cluster.state_dir, 0, "another devcluster uses"),
            (tmp_path / "other", cluster.port, f"port {cluster.port} of 127.0.0.1 cannot be used"),
        ):
            command = [sys.executable, "-m", "gauntlet.local.devcluster", "serve"]
            second = subprocess.run(
                [*command, "--state-dir", str(folder), "--port", str(port)],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert second.returncode == 2
            assert re.match(f"devcluster: {re.escape(message)}", second.stderr.splitlines()[-1])


@pytest.mark.slow
def test_a_state_directory_with_blanks_does_not_break_scripts(tmp_path: Path) -> None:
    with running(tmp_path / "my state (1)") as cluster:
        connection = config.new_client_from_config(str(cluster.kubeconfig))
        api = client.CoreV1Api(connection)
        container = {
            "name": "c", "image": "busybox", "command": ["sh", "-c", "echo x > /work/a; cat /work/a"],
            "volumeMounts": [{"name": "w", "mountPath": "/work"}],
        }  # fmt: skip
        spec = {"restartPolicy": "Never", "containers": [container], "volumes": [{"name": "w", "emptyDir": {}}]}
        api.create_namespaced_pod("default", {"metadata": {"name": "p"}, "spec": spec})
        deadline = time.monotonic() + 20
        while (found := api.read_namespaced_pod("p", "default")).status.phase != "Succeeded":
            assert time.monotonic() < deadline, found.status
            time.sleep(0.02)
        connection.close()
    assert list(tmp_path.glob("devcluster-*/*")) == []


@pytest.mark.slow
def test_a_catalogue_of_one_s_own_makes_an_image_known(tmp_path: Path) -> None:
    catalogue = tmp_path / "images.yaml"
    catalogue.write_text("images: [{pattern: mine/tool, env: {GREETING: hello}, command: [sh, -c, 'echo $GREETING']}]")
    with running(tmp_path / "state", ["--catalogue", str(catalogue)]) as cluster:
        connection = config.new_client_from_config(str(cluster.kubeconfig))
        api = client.CoreV1Api(connection)
        spec = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "mine/tool:3"}]}
        api.create_namespaced_pod("default", {"metadata": {"name": "p"}, "spec": spec})
        deadline = time.monotonic() + 20
        while api.read_namespaced_pod("p", "default").status.phase != "Succeeded":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        log = api.read_namespaced_pod_log("p", "default", _preload_content=False).data
        assert log == b"hello\n"
        connection.close()


def test_the_command_line_is_read() -> None:
    found = options(["serve", "--state-dir", "/x", "--cpu", "1500m", "--memory", "4Gi", "--pods", "7", "--port", "8"])
    assert (found.cpu_cores, found.memory_bytes, found.pods, found.port) == (1.5, 4 * 2**30, 7, 8)
    assert options(["serve", "--state-dir", "/x"]).memory_bytes is None


@pytest.mark.parametrize("wrong", [["serve"], ["serve", "--state-dir", "/x", "--cpu", "lots"], []])
def test_a_wrong_command_line_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as problem:
        options(wrong)
    assert problem.value.code == 2
    assert "usage: devcluster" in capsys.readouterr().err


def test_the_node_offers_the_machine_unless_told_otherwise(tmp_path: Path) -> None:
    found = server.allocatable(server.Options(tmp_path, 0))
    assert found["cpu"] == str(os.cpu_count())
    assert found["pods"] == "300"
