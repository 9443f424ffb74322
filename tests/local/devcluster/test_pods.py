"""What is devcluster's own about pods: stand-ins for mounts, what containers may see of the host, claims, tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from gauntlet.local.devcluster.testing import RunningCluster

Run = Callable[..., str]


@pytest.fixture
def run(api: client.CoreV1Api, namespace: str) -> Run:
    """Run a shell script as a pod to its end and return its log."""

    def script(text: str, name: str = "p", pod: dict[str, Any] | None = None, **container: Any) -> str:
        main = {"name": "c", "image": "busybox", "command": ["sh", "-c", text], **container}
        spec = {"restartPolicy": "Never", "containers": [main], **(pod or {})}
        api.create_namespaced_pod(namespace, {"metadata": {"name": name}, "spec": spec})
        deadline = time.monotonic() + 30
        while api.read_namespaced_pod(name, namespace).status.phase not in ("Succeeded", "Failed"):
            assert time.monotonic() < deadline, api.read_namespaced_pod(name, namespace).status
            time.sleep(0.02)
        response: Any = api.read_namespaced_pod_log(name, namespace, _preload_content=False)
        return str(response.data.decode())

    return script


def test_a_container_sees_little_of_the_host_s_environment(run: Run) -> None:
    lines = run("env").splitlines()
    names = {line.partition("=")[0] for line in lines if "=" in line}
    assert {"PATH", "HOME", "HOSTNAME", "TMPDIR", "GAUNTLET_DEVCLUSTER_CONTAINER"} <= names
    assert not names & {
        "USER",
        "PYTHONPATH",
        "VIRTUAL_ENV",
        "KUBECONFIG",
        "PYTEST_CURRENT_TEST",
        "PYTHONDONTWRITEBYTECODE",
    }
    assert "HOSTNAME=p" in lines


def test_the_runner_image_runs_gauntlet_without_its_environment(run: Run) -> None:
    program = "import gauntlet, sys; print(gauntlet.__version__, sys.prefix == sys.base_prefix)"
    assert run("", command=["python3", "-c", program], image="gauntlet/runner-python:dev").endswith("True\n")


def test_home_and_temporary_files_go_with_the_pod(
    run: Run, api: client.CoreV1Api, cluster: RunningCluster, namespace: str
) -> None:
    text = run("echo x > $TMPDIR/a; echo y > $HOME/b; cat $TMPDIR/a $HOME/b; echo $TMPDIR")
    assert text.splitlines()[:2] == ["x", "y"]
    folder = Path(text.splitlines()[2])
    assert not folder.is_relative_to(cluster.state_dir)
    api.delete_namespaced_pod("p", namespace)
    deadline = time.monotonic() + 10
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_volume_is_found_by_its_variable_and_by_its_mount_path(run: Run) -> None:
    mounts = [{"name": "my-data", "mountPath": "/data"}, {"name": "my-data", "mountPath": "/data/deep", "subPath": "s"}]
    text = run(
        "echo 1 > /data/a; cat $DEVCLUSTER_VOLUME_MY_DATA/a; "
        "echo 2 > /data/deep/b; cat $DEVCLUSTER_VOLUME_MY_DATA/s/b; "
        'echo "$WHERE"; pwd',
        volumeMounts=mounts, workingDir="/data/deep", env=[{"name": "WHERE", "value": "/data/deep/x"}],
        pod={"volumes": [{"name": "my-data", "emptyDir": {}}]},
    )  # fmt: skip
    lines = text.splitlines()
    assert lines[:2] == ["1", "2"]
    assert lines[2].endswith("/volumes/my-data/s/x")
    assert lines[3].endswith("/volumes/my-data/s")


def test_a_mounted_tmp_is_the_temporary_folder(run: Run) -> None:
    text = run("touch $TMPDIR/x; ls /tmp", volumeMounts=[{"name": "t", "mountPath": "/tmp"}],
               pod={"volumes": [{"name": "t", "emptyDir": {}}]})  # fmt: skip
    assert text == "x\n"


def test_a_sub_path_cannot_leave_its_volume(api: client.CoreV1Api, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "link").symlink_to("/etc")
    container = {
        "name": "c", "image": "busybox", "command": ["true"],
        "volumeMounts": [{"name": "v", "mountPath": "/x", "subPath": "link"}],
    }  # fmt: skip
    volume = {"name": "v", "hostPath": {"path": str(tmp_path / "volume")}}
    body = {"metadata": {"name": "p"}, "spec": {"containers": [container], "volumes": [volume]}}
    api.create_namespaced_pod(namespace, body)
    deadline = time.monotonic() + 20
    while True:
        statuses = api.read_namespaced_pod("p", namespace).status.container_statuses or []
        if statuses and "leads out of the volume" in (statuses[0].state.waiting.message or ""):
            break
        assert time.monotonic() < deadline, statuses
        time.sleep(0.02)


def test_claims_keep_what_pods_write_and_a_named_volume_is_used(
    run: Run, api: client.CoreV1Api, namespace: str, tmp_path: Path
) -> None:
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    api.create_namespaced_persistent_volume_claim(namespace, {"metadata": {"name": "free"}, "spec": spec})
    folder = tmp_path / "given"
    volume_spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"], "hostPath": {"path": str(folder)}}
    api.create_persistent_volume({"metadata": {"name": f"pv-{namespace}"}, "spec": volume_spec})
    named = {**spec, "volumeName": f"pv-{namespace}"}
    api.create_namespaced_persistent_volume_claim(namespace, {"metadata": {"name": "named"}, "spec": named})
    volumes = [{"name": n, "persistentVolumeClaim": {"claimName": n}} for n in ("free", "named")]
    mounts = [{"name": n, "mountPath": f"/{n}"} for n in ("free", "named")]
    run("echo kept > /free/f; echo mine > /named/f", "first", volumeMounts=mounts, pod={"volumes": volumes})
    text = run("cat /free/f /named/f", "second", volumeMounts=mounts, pod={"volumes": volumes})
    assert text == "kept\nmine\n"
    assert (folder / "f").read_text() == "mine\n"
    api.delete_namespaced_persistent_volume_claim("named", namespace)
    deadline = time.monotonic() + 10
    while api.read_persistent_volume(f"pv-{namespace}").status.phase != "Released":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (folder / "f").exists()
    api.delete_persistent_volume(f"pv-{namespace}")


def test_a_token_is_there_when_the_pod_asks_for_it_and_only_then(run: Run) -> None:
    place = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert run(f"ls {place}/token 2>/dev/null && echo found", "without") == ""
    program = (
        "import os, ssl, sys, urllib.request as u; place = sys.argv[1]; read = lambda n: open(f'{place}/{n}').read(); "
        "host = os.environ['KUBERNETES_SERVICE_HOST'] + ':' + os.environ['KUBERNETES_SERVICE_PORT']; "
        "headers = {'Authorization': 'Bearer ' + read('token')}; "
        "request = u.Request(f'https://{host}/api/v1/namespaces/' + read('namespace'), headers=headers); "
        "print(u.urlopen(request, context=ssl.create_default_context(cafile=f'{place}/ca.crt')).status)"
    )
    text = run("", "with", command=["python3", "-c", program, place], image="gauntlet/runner-python:dev",
               pod={"automountServiceAccountToken": True})  # fmt: skip
    assert text == "200\n"


def test_sidecars_share_the_grace_period_of_their_pod(api: client.CoreV1Api, namespace: str) -> None:
    stubborn = {"image": "busybox", "command": ["sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"]}
    spec = {
        "initContainers": [{"name": "side", "restartPolicy": "Always", **stubborn}],
        "containers": [{"name": "main", **stubborn}],
    }
    api.create_namespaced_pod(namespace, {"metadata": {"name": "p"}, "spec": spec})
    deadline = time.monotonic() + 30
    while api.read_namespaced_pod("p", namespace).status.phase != "Running":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    began = time.monotonic()
    api.delete_namespaced_pod("p", namespace, grace_period_seconds=2)
    while api.list_namespaced_pod(namespace).items:
        assert time.monotonic() < began + 3.9
        time.sleep(0.02)
    assert time.monotonic() - began >= 1.5


def test_pods_take_turns_when_the_node_is_full(api: client.CoreV1Api, namespace: str) -> None:
    container = {"name": "c", "image": "busybox", "command": ["true"], "resources": {"requests": {"cpu": "3"}}}
    for number in range(4):
        spec = {"restartPolicy": "Never", "containers": [container]}
        api.create_namespaced_pod(namespace, {"metadata": {"name": f"p{number}"}, "spec": spec})
    deadline = time.monotonic() + 30
    while {p.status.phase for p in api.list_namespaced_pod(namespace).items} != {"Succeeded"}:
        assert time.monotonic() < deadline
        time.sleep(0.02)
