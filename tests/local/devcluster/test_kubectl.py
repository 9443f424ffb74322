"""The real kubectl against devcluster: what people will type."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

Kubectl = Callable[..., subprocess.CompletedProcess[str]]

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    command: [sh, -c, "echo started; trap 'exit 0' TERM; while true; do sleep 0.1; done"]
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "pod.yaml"
    file.write_text(POD)
    return file


def test_apply_is_idempotent_and_changes_labels(kubectl: Kubectl, manifest: Path) -> None:
    assert kubectl("apply", "-f", str(manifest)).stdout == "pod/web created\n"
    assert kubectl("apply", "-f", str(manifest)).stdout == "pod/web unchanged\n"
    manifest.write_text(POD.replace("app: web", "app: shop"))
    assert kubectl("apply", "-f", str(manifest)).stdout == "pod/web configured\n"
    assert kubectl("label", "pod", "web", "tier=front").returncode == 0
    labels = kubectl("get", "pod", "web", "-o", "jsonpath={.metadata.labels}").stdout
    assert json.loads(labels) == {"app": "shop", "tier": "front"}
    assert kubectl("diff", "-f", str(manifest)).returncode == 0


def test_server_side_apply_reports_itself(kubectl: Kubectl, manifest: Path) -> None:
    assert kubectl("apply", "--server-side", "-f", str(manifest)).stdout == "pod/web serverside-applied\n"
    assert kubectl("apply", "--server-side", "-f", str(manifest)).returncode == 0


def test_an_unknown_field_is_named(kubectl: Kubectl, manifest: Path) -> None:
    manifest.write_text(POD.replace("image: busybox", "image: busybox\n    colour: red"))
    refused = kubectl("apply", "-f", str(manifest))
    assert refused.returncode == 1
    assert 'unknown field "spec.containers[0].colour"' in refused.stderr


def test_get_shows_a_life_and_describe_tells_its_story(kubectl: Kubectl, manifest: Path) -> None:
    kubectl("apply", "-f", str(manifest))
    assert kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=20s").returncode == 0
    wide = kubectl("get", "pods", "-o", "wide").stdout.splitlines()
    assert wide[0].split() == [
        "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES",
    ]  # fmt: skip
    assert wide[1].split()[:4] == ["web", "1/1", "Running", "0"]
    assert "devcluster" in wide[1]
    assert kubectl("get", "pod/web", "-o", "yaml").stdout.startswith("apiVersion: v1\nkind: Pod\n")
    described = kubectl("describe", "pod", "web").stdout
    for text in ("Node:             devcluster/127.0.0.1", "Scheduled", "Started container main", "busybox"):
        assert text in described
    events = kubectl("events", "--for", "pod/web").stdout
    assert "Pulled" in events
    assert kubectl("logs", "web").stdout == "started\n"
    assert kubectl("exec", "web", "--", "echo", "hi").stdout == "hi\n"
    deleted = kubectl("delete", "pod", "web")
    assert 'pod "web" deleted' in deleted.stdout


def test_get_watch_prints_each_step(kubectl: Kubectl, manifest: Path) -> None:
    manifest.write_text(
        POD.replace("spec:\n", "spec:\n  restartPolicy: Never\n").replace("while true", "exit 0; while true")
    )
    kubectl("apply", "-f", str(manifest))
    assert kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/web", "--timeout=20s").returncode == 0
    watched = kubectl("get", "pods", "-w", "--request-timeout=1s").stdout.splitlines()
    assert watched[0].split()[:3] == ["NAME", "READY", "STATUS"]
    assert watched[1].split()[:3] == ["web", "0/1", "Completed"]


def test_explain_knows_fields_and_their_meaning(kubectl: Kubectl) -> None:
    text = kubectl("explain", "pod.spec.containers.env").stdout
    assert "valueFrom\t<EnvVarSource>" in text
    assert "name\t<string> -required-" in text
    assert "C_IDENTIFIER" in text or "environment variable" in text


def test_who_am_i_and_what_may_i_do(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "pods").stdout == "yes\n"
    assert "devcluster-admin" in kubectl("auth", "whoami").stdout


def test_imperative_commands_that_speak_protobuf(kubectl: Kubectl) -> None:
    assert kubectl("create", "configmap", "c", "--from-literal=a=b").stdout == "configmap/c created\n"
    assert kubectl("create", "secret", "generic", "s", "--from-literal=a=b").stdout == "secret/s created\n"
    assert kubectl("get", "secret", "s", "-o", "jsonpath={.data.a}").stdout == "Yg=="
    assert kubectl("create", "serviceaccount", "robot").stdout == "serviceaccount/robot created\n"
    assert kubectl("run", "r", "--image=busybox", "--restart=Never", "--", "true").stdout == "pod/r created\n"
    assert kubectl("delete", "configmap,secret", "--all").returncode == 0


def test_a_node_can_be_described_and_cordoned_and_pods_wait(kubectl: Kubectl, manifest: Path) -> None:
    assert "Capacity:" in kubectl("describe", "node", "devcluster").stdout
    manifest.write_text(POD.replace("containers:", "nodeSelector: {disk: golden}\n  containers:"))
    kubectl("apply", "-f", str(manifest))
    status = kubectl("wait", "--for=condition=PodScheduled=False", "pod/web", "--timeout=20s")
    assert status.returncode == 0, status.stderr
    assert "FailedScheduling" in kubectl("describe", "pod", "web").stdout


def test_resources_are_listed(kubectl: Kubectl) -> None:
    lines = kubectl("api-resources", "--no-headers").stdout.splitlines()
    assert {"pods", "configmaps", "secrets", "persistentvolumeclaims"} <= {line.split()[0] for line in lines}
    assert "v1.34" in kubectl("version").stdout
