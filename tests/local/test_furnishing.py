"""What devcluster is given after each start."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from gauntlet.local import furnishing

FOLDERS = {"gauntlet-store": Path("/state/store"), "gauntlet-cache": Path("/state/cache")}


class Cluster(ThreadingHTTPServer):
    """Answers POST as a Kubernetes API does: 201, and 409 for what is there; GET /readyz with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.made: dict[str, set[str]] = {}
        self.refusing = False


class _Answers(BaseHTTPRequestHandler):
    server: Cluster

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/readyz" else 404)

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        names = self.server.made.setdefault(self.path, set())
        name = content["metadata"]["name"]
        if self.headers["Authorization"] != "Bearer the-token" or self.server.refusing:
            self._answer(403)
        else:
            self._answer(409 if name in names else 201)
            names.add(name)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def kubeconfig(cluster: Cluster, tmp_path: Path) -> Path:
    file = tmp_path / "kubeconfig"
    address = {"name": "devcluster", "cluster": {"server": f"http://127.0.0.1:{cluster.server_port}"}}
    user = {"name": "devcluster", "user": {"token": "the-token"}}
    file.write_text(yaml.safe_dump({"clusters": [address], "users": [user]}))
    return file


def test_a_claim_is_bound_to_the_folder_it_shows() -> None:
    made = {(each["kind"], each["metadata"]["name"]): each for each in furnishing.objects("ns", FOLDERS)}
    claim = made["PersistentVolumeClaim", "gauntlet-store"]
    volume = made["PersistentVolume", claim["spec"]["volumeName"]]
    assert volume["spec"]["hostPath"] == {"path": "/state/store"}
    assert claim["metadata"]["namespace"] == "ns"


def test_the_namespace_demands_what_a_hardened_cluster_does() -> None:
    namespace = furnishing.objects("ns", {})[0]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_furnishing_twice_makes_everything_once(cluster: Cluster, kubeconfig: Path) -> None:
    assert furnishing.furnish(kubeconfig, "ns", FOLDERS)
    assert not furnishing.furnish(kubeconfig, "ns", FOLDERS)
    assert cluster.made["/api/v1/namespaces/ns/persistentvolumeclaims"] == set(FOLDERS)


def test_a_refusal_names_the_object(cluster: Cluster, kubeconfig: Path) -> None:
    cluster.refusing = True
    with pytest.raises(furnishing.FurnishingError, match="refused Namespace ns with 403"):
        furnishing.furnish(kubeconfig, "ns", FOLDERS)


@pytest.mark.parametrize("content", ["", "{", "clusters: []", "[]"])
def test_a_half_written_kubeconfig_means_not_ready_yet(tmp_path: Path, content: str) -> None:
    (tmp_path / "kubeconfig").write_text(content)
    assert "not there yet" in (furnishing.problem_of(tmp_path / "kubeconfig") or "")


def test_a_restarted_devcluster_is_furnished_again_and_other_events_are_not_heeded(
    cluster: Cluster, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def event(process: str) -> str:
        payload = f"processname:{process} groupname:{process} from_state:STARTING pid:1"
        return f"ver:3.0 server:supervisor serial:1 eventname:PROCESS_STATE_RUNNING len:{len(payload)}\n{payload}"

    said = io.StringIO()
    monkeypatch.setattr("sys.stdout", said)
    monkeypatch.setattr("sys.stdin", io.StringIO(event("postgres")))
    furnishing.listen(kubeconfig, "ns", FOLDERS)
    assert cluster.made == {}
    monkeypatch.setattr("sys.stdin", io.StringIO(event("devcluster")))
    furnishing.listen(kubeconfig, "ns", FOLDERS)
    assert cluster.made["/api/v1/namespaces"] == {"ns"}
    assert said.getvalue() == "READY\nRESULT 2\nOKREADY\n" * 2
