"""The main job, told the same way by a real Kubernetes and by devcluster: from a definition to a verdict.

Without further words it runs on the session's stack with devcluster. On a real cluster a stack of its own runs with
the rights that docs/how-to/run-on-a-real-cluster.md grants and no others, in a namespace that enforces `restricted`,
and with moto as S3. What it needs to know of that cluster:

- GAUNTLET_TEST_KUBECONFIG: of someone who may make namespaces, service accounts, roles and, for a cache, volumes.
- GAUNTLET_TEST_IMAGE: the runner image there (see make-runner-image).
- GAUNTLET_TEST_HOST_ADDRESS: an address of this machine that pods reach; by default the first node's.
- GAUNTLET_TEST_NODE_FOLDER: a folder of the only node, writable by everybody, that keeps built environments; without
  it each pod builds its own.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import yaml
from kubernetes import client, config, utils

from gauntlet.local.stack import Stack

pytestmark = [pytest.mark.kubernetes, pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(2400)]

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to" / "run-on-a-real-cluster.md"
BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 600.0
CACHE_CLAIM = "gauntlet-cache"

TWO_GREEN = """
    def test_one(): pass
    def test_two(): pass
"""
# The first case ends at once, the second waits to be disturbed.
QUICK_AND_SLOW = """
    import time
    def test_quick(): pass
    def test_slow(): time.sleep(300)
"""


def wait_for(look: Callable[[], Any], what: str, *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Look until there is something, or fail saying what never came."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.2)


@dataclass(frozen=True)
class Outcome:
    """How `gauntlet run --wait --json` ended: its exit code and its document."""

    exit_code: int
    document: dict[str, Any]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Passed, skipped, failed, errors."""
        one = self.document
        return one["passed"], one["skipped"], one["failed"], one["errors"]

    def shard(self, status: str) -> dict[str, Any]:
        """Return the only shard of a status."""
        found = [shard for shard in self.document["shards"] if shard["status"] == status]
        assert len(found) == 1, self.document
        return dict(found[0])


@dataclass(frozen=True)
class Run:
    """A run that goes on, as the person sees it who typed `gauntlet run`."""

    name: str
    process: subprocess.Popen[str]
    site: Site

    def end(self) -> Outcome:
        """Wait for the verdict."""
        output, complaints = self.process.communicate(timeout=PATIENCE_SECONDS * 2)
        assert output, complaints
        return Outcome(self.process.returncode, json.loads(output))

    def pods(self, component: str = "shard") -> list[Any]:
        """Its pods, as the cluster lists them."""
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"
        return list(self.site.api.list_namespaced_pod(self.site.namespace, label_selector=selector).items)

    def last_shard(self) -> Any:
        """Wait until all shards but one are done and that one runs its tests; its pod."""

        def look() -> Any:
            pods = self.pods()
            phases = Counter(pod.status.phase for pod in pods)
            if len(pods) < 2 or phases != {"Running": 1, "Succeeded": len(pods) - 1}:
                return None
            return next(pod for pod in pods if pod.status.phase == "Running")

        return wait_for(look, f"the slow shard of {self.name} running alone")


@dataclass(frozen=True)
class Site:
    """Where runs happen: a stack, and the cluster of its pods.

    :param env: of the person who types `gauntlet`.
    :param api: may look at the pods and disturb them.
    :param store: reads an object of the store by the location that a report is said to have.
    """

    env: Mapping[str, str]
    api: client.CoreV1Api
    namespace: str
    store: Callable[[str], bytes]
    folder: Path

    def suite(self, script: str, **fields: Any) -> Path:
        """A definition file whose tests are a script; its name is its own."""
        name = f"probe-{secrets.token_hex(4)}"
        document = {
            "kind": "TestSuite",
            "name": name,
            "type": "pytest",
            "content": {"type": "inline", "script": textwrap.dedent(script)},
            "resources": {"cpuRequest": "50m", "memoryRequest": "64Mi"},
            **fields,
        }
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(document))
        return file

    def start(self, what: Path | str) -> Run:
        """Type `gauntlet run`, in a window of its own."""
        command = [str(BIN / "gauntlet"), "run", str(what), "--wait", "--json"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=dict(self.env), stdout=pipe, stderr=pipe, text=True)
        return Run(Path(what).stem, process, self)

    def run(self, what: Path | str) -> Outcome:
        return self.start(what).end()

    def report(self, document: dict[str, Any]) -> dict[str, Any]:
        """The JSON report of a run."""
        found: dict[str, Any] = json.loads(self.store(document["reports"]["json"]))
        return found

    def plan(self, document: dict[str, Any]) -> dict[str, Any]:
        """What was planned for a run."""
        run, _, _ = document["reports"]["json"].partition("/reports/")
        found: dict[str, Any] = json.loads(self.store(f"{run}/plan.json"))
        return found


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The stack and the cluster that the main job runs on."""
    folder = tmp_path_factory.mktemp("main-job")
    given = os.environ.get("GAUNTLET_TEST_KUBECONFIG", "")
    if not given:
        stack: Stack = request.getfixturevalue("stack")
        description = stack.description()
        assert description is not None
        api = client.CoreV1Api(config.new_client_from_config(description.kubeconfig))
        yield Site(stack.env, api, stack.settings()["GAUNTLET_NAMESPACE"], lambda path: Path(path).read_bytes(), folder)
        return
    with ExitStack() as closing:
        admin = closing.enter_context(config.new_client_from_config(given))
        env = stack_environment(folder, closing, admin, Path(given))
        started = Stack(env)
        closing.callback(started.forget)
        closing.callback(started.down)
        started.up()
        objects = boto3.client(
            "s3",
            endpoint_url=env["GAUNTLET_STORE_ENDPOINT_URL"],
            region_name=env["AWS_DEFAULT_REGION"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        )

        def read(location: str) -> bytes:
            bucket, _, key = location.removeprefix("s3://").partition("/")
            return bytes(objects.get_object(Bucket=bucket, Key=key)["Body"].read())

        yield Site(env, client.CoreV1Api(admin), env["GAUNTLET_NAMESPACE"], read, folder)


def stack_environment(folder: Path, closing: ExitStack, admin: client.ApiClient, given: Path) -> dict[str, str]:
    """What a person would set to run on this cluster; `closing` takes back what was made there."""
    namespace = f"gauntlet-test-{secrets.token_hex(4)}"
    address = host_address(client.CoreV1Api(admin))
    kubeconfig = closing.enter_context(furnished(admin, namespace, given, folder))
    endpoint = closing.enter_context(s3(address, folder))
    foreign = ("GAUNTLET_", "KUBECONFIG", "AIRFLOW_", "AWS_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    if node_folder := os.environ.get("GAUNTLET_TEST_NODE_FOLDER", ""):
        closing.enter_context(cache(client.CoreV1Api(admin), namespace, node_folder))
        env["GAUNTLET_CACHE_CLAIM"] = CACHE_CLAIM
    return env | {
        "KUBECONFIG": str(kubeconfig),
        "GAUNTLET_HOME": str(folder / "stack"),
        "GAUNTLET_PORT": str(free_port("127.0.0.1")),
        "GAUNTLET_NAMESPACE": namespace,
        "GAUNTLET_RUNNER_IMAGE": os.environ.get("GAUNTLET_TEST_IMAGE", "gauntlet/runner-python:dev"),
        "GAUNTLET_STORE_URL": "s3://results/base",
        "GAUNTLET_STORE_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def host_address(api: client.CoreV1Api) -> str:
    """An address of this machine that pods reach."""
    given = os.environ.get("GAUNTLET_TEST_HOST_ADDRESS", "")
    nodes = api.list_node().items
    address = given or next(each.address for each in nodes[0].status.addresses if each.type == "InternalIP")
    try:
        free_port(address)
    except OSError as error:
        pytest.fail(f"{address} is no address of this machine ({error}): set GAUNTLET_TEST_HOST_ADDRESS to one that "
                    "pods reach, so that they find the object store there")  # fmt: skip
    return address


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def furnished(admin: client.ApiClient, namespace: str, given: Path, folder: Path) -> Iterator[Path]:
    """What the how-to tells people to make; the kubeconfig of the account that has the rights it grants."""
    text = HOW_TO.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    api = client.CoreV1Api(admin)
    try:
        for document in yaml.safe_load_all(text):
            utils.create_from_dict(admin, _moved(document, namespace))
        wait_for(lambda: api.list_namespaced_service_account(namespace).items, "the service accounts", seconds=60)
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
        issued: Any = api.create_namespaced_service_account_token("gauntlet-airflow", namespace, review)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(yaml.safe_dump(_as_account(given, issued.status.token)))
        yield kubeconfig
    finally:
        api.delete_namespace(namespace)


def _moved(document: dict[str, Any], namespace: str) -> dict[str, Any]:
    """An object of the how-to, in another namespace than `gauntlet`."""
    moved: dict[str, Any] = json.loads(json.dumps(document))
    if moved["kind"] == "Namespace":
        moved["metadata"]["name"] = namespace
        return moved
    moved["metadata"]["namespace"] = namespace
    for subject in moved.get("subjects", []):
        subject["namespace"] = namespace
    return moved


def _as_account(given: Path, token: str) -> dict[str, Any]:
    """A kubeconfig for the cluster of another one, with a token alone."""
    whole = yaml.safe_load(given.read_text())
    current = next(each["context"] for each in whole["contexts"] if each["name"] == whole["current-context"])
    cluster = next(each["cluster"] for each in whole["clusters"] if each["name"] == current["cluster"])
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "gauntlet", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "gauntlet"}}],
        "current-context": "it",
    }


@contextmanager
def s3(address: str, folder: Path) -> Iterator[str]:
    """An S3 service with an empty bucket `results`, in a process of its own: moto's state is the process's."""
    port = free_port(address)
    with (folder / "moto.log").open("wb") as log:
        command = [str(BIN / "moto_server"), "-H", address, "-p", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    endpoint = f"http://{address}:{port}"

    def answers() -> bool:
        assert process.poll() is None, f"moto_server ended: {(folder / 'moto.log').read_text()}"
        try:
            return httpx.put(f"{endpoint}/results").is_success
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, "an answer of moto_server", seconds=60)
        yield endpoint
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def cache(api: client.CoreV1Api, namespace: str, node_folder: str) -> Iterator[None]:
    """A claim that shows a folder of the node, for built environments."""
    size, modes = {"storage": "10Gi"}, ["ReadWriteMany"]
    # Pods are not root and a hostPath gets no fsGroup, so the folder's owner makes one they may write.
    mine = Path(node_folder) / namespace
    mine.mkdir()
    mine.chmod(0o777)
    api.create_persistent_volume(
        {
            "metadata": {"name": namespace},
            "spec": {
                "capacity": size,
                "accessModes": modes,
                "storageClassName": "",
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": str(mine), "type": "Directory"},
            },
        }
    )
    try:
        api.create_namespaced_persistent_volume_claim(
            namespace,
            {
                "metadata": {"name": CACHE_CLAIM},
                "spec": {
                    "accessModes": modes,
                    "storageClassName": "",
                    "volumeName": namespace,
                    "resources": {"requests": size},
                },
            },
        )
        yield
    finally:
        api.delete_persistent_volume(namespace)
        shutil.rmtree(mine)


def test_networkx_gives_in_pods_what_it_gives_directly_and_each_case_once(site: Site) -> None:
    outcome = site.run("networkx")
    assert outcome.counts == (6766, 82, 0, 0), outcome.document
    assert (outcome.exit_code, outcome.document["status"]) == (0, "completed")
    assert [shard["status"] for shard in outcome.document["shards"]] == ["passed", "passed"]
    cases = site.report(outcome.document)["cases"]
    assert Counter(case["status"] for case in cases) == {"passed": 6766, "skipped": 82}
    ran = Counter(case["id"] for case in cases)
    assert max(ran.values()) == 1
    assert ran == Counter(case for shard in site.plan(outcome.document)["shards"] for case in shard["cases"])


def test_the_namespace_enforces_restricted_and_the_pods_ask_for_no_token(site: Site) -> None:
    run = site.start(site.suite(TWO_GREEN))
    assert run.end().counts == (2, 0, 0, 0)
    namespace: Any = site.api.read_namespace(site.namespace)
    assert namespace.metadata.labels["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = [*run.pods("inventory"), *run.pods()]
    assert len(pods) == 2
    assert not any(pod.spec.automount_service_account_token for pod in pods)
    containers = [each for pod in pods for each in (*pod.spec.init_containers, *pod.spec.containers)]
    assert all(each.security_context.read_only_root_filesystem for each in containers)


def test_a_failing_test_makes_the_run_red_and_nothing_else(site: Site) -> None:
    outcome = site.run(site.suite("def test_good(): pass\ndef test_bad(): assert 1 + 1 == 3\n"))
    assert (outcome.exit_code, outcome.document["status"]) == (1, "failed")
    assert outcome.counts == (1, 0, 1, 0)


@pytest.mark.parametrize("grace_seconds", [None, 0], ids=["asked to stop", "without grace"])
def test_a_deleted_pod_is_a_lost_shard_and_the_other_shard_is_kept(site: Site, grace_seconds: int | None) -> None:
    run = site.start(site.suite(QUICK_AND_SLOW, config={"parallelism": 2}))
    options = {} if grace_seconds is None else {"grace_period_seconds": grace_seconds}
    site.api.delete_namespaced_pod(run.last_shard().metadata.name, site.namespace, **options)
    outcome = run.end()
    assert outcome.shard("lost")["cause"] == "PodDeleted"
    assert outcome.shard("passed")["tests"] == 1
    assert outcome.counts == (1, 0, 0, 1)
    assert (outcome.exit_code, outcome.document["status"]) == (2, "failed")


def test_an_evicted_pod_is_a_lost_shard_that_says_so(site: Site) -> None:
    run = site.start(site.suite(QUICK_AND_SLOW, config={"parallelism": 2}))
    name = run.last_shard().metadata.name
    eviction = client.V1Eviction(metadata=client.V1ObjectMeta(name=name, namespace=site.namespace))
    site.api.create_namespaced_pod_eviction(name, site.namespace, eviction)
    outcome = run.end()
    assert outcome.shard("lost")["cause"] == "Evicted"
    assert outcome.shard("passed")["tests"] == 1


def test_a_shard_that_eats_its_memory_is_oom_killed(site: Site) -> None:
    script = """
        import time
        def test_quick(): pass
        def test_hungry():
            hoard = bytearray(b"x" * 600_000_000)
            time.sleep(60)
    """
    limits = {"cpuRequest": "50m", "memoryRequest": "64Mi", "memoryLimit": "256Mi"}
    outcome = site.run(site.suite(script, resources=limits, config={"parallelism": 2}))
    assert outcome.shard("lost")["cause"] == "OOMKilled"
    assert outcome.shard("passed")["tests"] == 1
    assert outcome.counts == (1, 0, 0, 1)


def test_an_image_that_cannot_be_pulled_is_named(site: Site) -> None:
    outcome = site.run(site.suite(TWO_GREEN, config={"image": "nowhere.invalid/none:1"}))
    assert (outcome.document["status"], outcome.document["cause"]) == ("failed", "ImageUnavailable")
    assert "nowhere.invalid/none:1" in outcome.document["reason"]
    assert outcome.exit_code == 2


def test_a_shard_that_takes_too_long_times_out_and_keeps_what_it_had(site: Site) -> None:
    outcome = site.run(site.suite(QUICK_AND_SLOW, config={"timeout": 15, "gracePeriodSeconds": 2}))
    assert outcome.document["status"] == "timeout"
    assert outcome.shard("timeout")["cause"] == "TimedOut"
    assert outcome.counts == (1, 0, 0, 1)


def test_a_missing_secret_is_refused_before_any_shard_starts(site: Site) -> None:
    run = site.start(site.suite(TWO_GREEN, config={"env": {"KEY": "${secrets.nowhere/key}"}}))
    outcome = run.end()
    assert (outcome.document["status"], outcome.document["cause"]) == ("rejected", "SecretMissing")
    assert "nowhere" in outcome.document["reason"]
    assert run.pods() == []
    assert outcome.exit_code == 3


def test_a_secret_reaches_the_tests_though_the_control_plane_may_not_read_it(site: Site) -> None:
    name, value = f"vault-{secrets.token_hex(4)}", f"hush-{secrets.token_hex(16)}"
    secret = client.V1Secret(metadata=client.V1ObjectMeta(name=name), string_data={"key": value})
    site.api.create_namespaced_secret(site.namespace, secret)
    try:
        script = """
            import os
            def test_secret():
                print(os.environ["AUTH"])
                assert os.environ["AUTH"].startswith("Bearer hush-")
        """
        outcome = site.run(site.suite(script, config={"env": {"AUTH": f"Bearer ${{secrets.{name}/key}}"}}))
    finally:
        site.api.delete_namespaced_secret(name, site.namespace)
    assert outcome.counts == (1, 0, 0, 0)
    assert value not in json.dumps(site.report(outcome.document))
