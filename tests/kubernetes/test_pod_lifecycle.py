"""What happens to pods, told the same way by a real Kubernetes and by devcluster.

Run on another cluster: GAUNTLET_TEST_KUBECONFIG=… GAUNTLET_TEST_IMAGE=… pytest tests/kubernetes/test_pod_lifecycle.py
"""

from __future__ import annotations

import re
import shutil
import time
from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.stream import stream

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


def state_of(pod: dict[str, Any], container: str = "main", group: str = "containerStatuses") -> dict[str, Any]:
    """Return a container's state, empty while there is none."""
    for status in pod["status"].get(group) or []:
        if status["name"] == container:
            return status["state"]
    return {}


def terminated(pod: dict[str, Any], container: str = "main", group: str = "containerStatuses") -> dict[str, Any]:
    """Return how a container ended."""
    return state_of(pod, container, group)["terminated"]


def waiting_reason(pod: dict[str, Any], container: str = "main") -> str:
    """Return why a container waits, or nothing."""
    return (state_of(pod, container).get("waiting") or {}).get("reason", "")


def is_running(pod: dict[str, Any]) -> bool:
    """Whether the main container runs."""
    return "running" in state_of(pod)


def conditions(pod: dict[str, Any]) -> dict[str, str]:
    """Return the status of each of a pod's conditions."""
    return {c["type"]: c["status"] for c in pod["status"].get("conditions") or []}


def test_a_container_that_ends_well_completes_its_pod(namespace: Any) -> None:
    pod = namespace.ended(namespace.pod(namespace.container(command="echo hello; echo oops >&2")))
    assert pod["status"]["phase"] == "Succeeded"
    assert terminated(pod)["reason"] == "Completed"
    assert terminated(pod)["exitCode"] == 0
    assert conditions(pod)["Ready"] == "False"
    assert sorted(namespace.log(pod["metadata"]["name"]).split()) == ["hello", "oops"]


def test_an_exit_code_makes_the_pod_fail_with_error(namespace: Any) -> None:
    pod = namespace.ended(namespace.pod(namespace.container(command="exit 3")))
    assert pod["status"]["phase"] == "Failed"
    assert terminated(pod)["exitCode"] == 3
    assert terminated(pod)["reason"] == "Error"


def test_init_containers_run_in_order_and_share_volumes(namespace: Any) -> None:
    mount = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    pod = namespace.ended(
        namespace.pod(
            namespace.container(command="cat /work/order", **mount),
            initContainers=[
                namespace.container("first", "echo first >> /work/order", **mount),
                namespace.container("second", "echo second >> /work/order", **mount),
            ],
            volumes=[{"name": "work", "emptyDir": {}}],
        )
    )
    assert pod["status"]["phase"] == "Succeeded"
    assert namespace.log(pod["metadata"]["name"], container="main").split() == ["first", "second"]
    assert conditions(pod)["Initialized"] == "True"


def test_a_failing_init_container_fails_the_pod_and_starts_nothing_else(namespace: Any) -> None:
    pod = namespace.ended(
        namespace.pod(namespace.container(), initContainers=[namespace.container("prepare", "exit 9")])
    )
    assert pod["status"]["phase"] == "Failed"
    assert terminated(pod, "prepare", "initContainerStatuses")["exitCode"] == 9
    assert waiting_reason(pod) == "PodInitializing"


def test_a_native_sidecar_lives_as_long_as_the_main_container(namespace: Any) -> None:
    mount = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    sidecar = namespace.container(
        "sidecar", "trap 'exit 0' TERM; echo up > /work/up; while true; do sleep 0.1; done",
        restartPolicy="Always", **mount,
    )  # fmt: skip
    main = namespace.container(command="until [ -f /work/up ]; do sleep 0.05; done; cat /work/up", **mount)
    pod = namespace.ended(namespace.pod(main, initContainers=[sidecar], volumes=[{"name": "work", "emptyDir": {}}]))
    assert pod["status"]["phase"] == "Succeeded"
    assert terminated(pod, "sidecar", "initContainerStatuses")["exitCode"] == 0
    assert namespace.log(pod["metadata"]["name"], container="main") == "up\n"


def test_environment_comes_from_fields_config_maps_and_secrets(namespace: Any) -> None:
    namespace.api.create_namespaced_config_map(
        namespace.name, {"metadata": {"name": "settings"}, "data": {"COLOUR": "blue", "size": "9"}}
    )
    namespace.api.create_namespaced_secret(
        namespace.name, {"metadata": {"name": "keys"}, "stringData": {"token": "t0ken"}}
    )
    env = [
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
        {"name": "SIZE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "size"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
        {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "x", "optional": True}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}},
        {"name": "BOTH", "value": "$(POD)/$(SIZE)/$(UNKNOWN)/$$(POD)"},
    ]
    main = namespace.container(
        command='echo "$POD,$LABEL,$SIZE,$TOKEN,${NONE-unset},$CPU,$BOTH,$P_COLOUR"',
        env=env,
        envFrom=[{"prefix": "P_", "configMapRef": {"name": "settings"}}],
        resources={"requests": {"cpu": "50m"}},
    )
    pod = namespace.ended(namespace.pod(main, name="env", labels={"team": "quality"}))
    assert pod["status"]["phase"] == "Succeeded"
    assert namespace.log("env").strip() == "env,quality,9,t0ken,unset,50,env/9/$(UNKNOWN)/$(POD),blue"


def test_a_missing_secret_is_a_config_error_until_it_is_there(namespace: Any) -> None:
    env = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}]
    name = namespace.create(namespace.pod(namespace.container(command="echo $X", env=env)))
    pod = namespace.until(name, lambda p: waiting_reason(p) == "CreateContainerConfigError")
    assert state_of(pod)["waiting"]["message"] == 'secret "late" not found'
    assert pod["status"]["phase"] == "Pending"
    namespace.api.create_namespaced_secret(namespace.name, {"metadata": {"name": "late"}, "stringData": {"other": "1"}})
    message = f"couldn't find key k in Secret {namespace.name}/late"
    namespace.until(name, lambda p: (state_of(p).get("waiting") or {}).get("message") == message)
    namespace.api.patch_namespaced_secret("late", namespace.name, {"stringData": {"k": "v"}})
    namespace.until(name, lambda p: p["status"]["phase"] == "Succeeded")
    assert namespace.log(name) == "v\n"


def test_a_missing_config_map_is_a_config_error(namespace: Any) -> None:
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "nowhere", "key": "k"}}}]
    name = namespace.create(namespace.pod(namespace.container(env=env)))
    pod = namespace.until(name, lambda p: waiting_reason(p) == "CreateContainerConfigError")
    assert state_of(pod)["waiting"]["message"] == 'configmap "nowhere" not found'
    namespace.api.delete_namespaced_pod(name, namespace.name, grace_period_seconds=0)


def test_an_image_that_is_nowhere_is_pulled_in_vain(namespace: Any) -> None:
    main = namespace.container(image="registry.invalid/nobody/nothing:1")
    name = namespace.create(namespace.pod(main))
    namespace.until(name, lambda p: waiting_reason(p) == "ErrImagePull")
    pod = namespace.until(name, lambda p: waiting_reason(p) == "ImagePullBackOff")
    assert pod["status"]["phase"] == "Pending"
    assert "registry.invalid/nobody/nothing:1" in state_of(pod)["waiting"]["message"]
    with pytest.raises(client.ApiException) as refusal:
        namespace.log(name)
    assert refusal.value.status == 400
    assert "is waiting to start: trying and failing to pull image" in refusal.value.body
    namespace.api.delete_namespaced_pod(name, namespace.name, grace_period_seconds=0)


def test_an_image_that_must_not_be_pulled_says_so(namespace: Any) -> None:
    main = namespace.container(image="registry.invalid/nobody/nothing:1", imagePullPolicy="Never")
    name = namespace.create(namespace.pod(main))
    pod = namespace.until(name, lambda p: waiting_reason(p) == "ErrImageNeverPull")
    expected = 'Container image "registry.invalid/nobody/nothing:1" is not present with pull policy of Never'
    assert state_of(pod)["waiting"]["message"] == expected
    namespace.api.delete_namespaced_pod(name, namespace.name, grace_period_seconds=0)


def test_a_command_that_is_not_there_cannot_start(namespace: Any) -> None:
    pod = namespace.ended(namespace.pod(namespace.container(command=["no-such-command"])))
    assert pod["status"]["phase"] == "Failed"
    assert terminated(pod)["reason"] == "StartError"
    assert terminated(pod)["exitCode"] == 128
    assert 'exec: "no-such-command": executable file not found in $PATH' in terminated(pod)["message"]


def test_memory_over_the_limit_is_killed(namespace: Any) -> None:
    hog = "import time; x = bytearray(300 * 2**20); time.sleep(30)"
    main = namespace.container(
        command=["python3", "-c", hog], resources={"requests": {"memory": "32Mi"}, "limits": {"memory": "64Mi"}}
    )
    pod = namespace.ended(namespace.pod(main))
    assert pod["status"]["phase"] == "Failed"
    assert terminated(pod)["reason"] == "OOMKilled"
    assert terminated(pod)["exitCode"] == 137


def test_a_pod_past_its_deadline_fails_with_that_reason(namespace: Any) -> None:
    main = namespace.container(command="trap 'exit 1' TERM; while true; do sleep 0.1; done")
    pod = namespace.ended(namespace.pod(main, activeDeadlineSeconds=2, terminationGracePeriodSeconds=5))
    assert pod["status"]["phase"] == "Failed"
    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"


def test_on_failure_restarts_until_it_works(namespace: Any) -> None:
    mount = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    main = namespace.container(command="[ -f /work/tried ] && exit 0; touch /work/tried; exit 4", **mount)
    pod = namespace.ended(namespace.pod(main, restartPolicy="OnFailure", volumes=[{"name": "work", "emptyDir": {}}]))
    status = pod["status"]["containerStatuses"][0]
    assert pod["status"]["phase"] == "Succeeded"
    assert status["restartCount"] == 1
    assert terminated(pod)["exitCode"] == 0


def test_a_container_that_keeps_crashing_backs_off_and_keeps_its_last_log(namespace: Any) -> None:
    main = namespace.container(command="echo here; exit 5")
    name = namespace.create(namespace.pod(main, restartPolicy="Always"))
    pod = namespace.until(name, lambda p: waiting_reason(p) == "CrashLoopBackOff")
    assert pod["status"]["phase"] == "Running"
    assert re.match(r"back-off 10s restarting failed container=main pod=", state_of(pod)["waiting"]["message"])
    assert namespace.log(name) == "here\n"
    assert namespace.log(name, previous=True) == "here\n"
    namespace.api.delete_namespaced_pod(name, namespace.name)
    namespace.until_gone(name)


def test_deletion_gives_the_container_time_to_say_goodbye(namespace: Any) -> None:
    main = namespace.container(
        command="trap 'echo bye; sleep 1; exit 0' TERM; echo up; while true; do sleep 0.05; done"
    )
    name = namespace.create(namespace.pod(main))
    namespace.until(name, lambda p: is_running(p) and "up" in namespace.log(name))
    namespace.api.delete_namespaced_pod(name, namespace.name, grace_period_seconds=20)
    pod = namespace.get(name)
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 20
    assert "deletionTimestamp" in pod["metadata"]
    deadline = time.monotonic() + 15
    while "bye" not in namespace.log(name):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    namespace.until_gone(name, timeout_seconds=15)


def test_a_container_that_ignores_the_signal_is_killed_after_its_grace(namespace: Any) -> None:
    main = namespace.container(command="trap '' TERM; while true; do sleep 0.1; done")
    name = namespace.create(namespace.pod(main))
    namespace.until(name, is_running)
    began = time.monotonic()
    namespace.api.delete_namespaced_pod(name, namespace.name, grace_period_seconds=2)
    namespace.until_gone(name, timeout_seconds=20)
    assert time.monotonic() - began >= 1.5


def test_a_forced_deletion_takes_the_object_away_at_once(namespace: Any) -> None:
    main = namespace.container(command="trap '' TERM; while true; do sleep 0.1; done")
    name = namespace.create(namespace.pod(main))
    namespace.until(name, is_running)
    namespace.api.delete_namespaced_pod(name, namespace.name, grace_period_seconds=0)
    with pytest.raises(client.ApiException) as refusal:
        namespace.get(name)
    assert refusal.value.status == 404


def test_an_evicted_pod_is_deleted(namespace: Any) -> None:
    name = namespace.create(namespace.pod(namespace.container(command="exec sleep 60")))
    namespace.until(name, is_running)
    body = {"metadata": {"name": name}, "deleteOptions": {"gracePeriodSeconds": 1}}
    namespace.api.create_namespaced_pod_eviction(name, namespace.name, body)
    namespace.until_gone(name)


def test_a_pod_that_asks_for_too_much_stays_pending(namespace: Any) -> None:
    main = namespace.container(resources={"requests": {"cpu": "5000"}})
    name = namespace.create(namespace.pod(main))
    pod = namespace.until(name, lambda p: conditions(p).get("PodScheduled") == "False")
    condition = next(c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
    assert condition["reason"] == "Unschedulable"
    assert re.match(r"0/\d+ nodes are available: 1 Insufficient cpu\.", condition["message"])
    assert pod["status"]["phase"] == "Pending"
    namespace.api.delete_namespaced_pod(name, namespace.name)
    namespace.until_gone(name, timeout_seconds=5)


def test_a_pod_for_another_node_stays_pending(namespace: Any) -> None:
    name = namespace.create(namespace.pod(namespace.container(), nodeSelector={"disk": "golden"}))
    pod = namespace.until(name, lambda p: conditions(p).get("PodScheduled") == "False")
    condition = next(c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
    assert "node(s) didn't match Pod's node affinity/selector" in condition["message"]
    namespace.api.delete_namespaced_pod(name, namespace.name)


def test_a_pod_that_violates_restricted_is_refused_with_every_reason(namespace: Any) -> None:
    pod = {"metadata": {"name": "bad"}, "spec": {"containers": [{"name": "c", "image": namespace.image}]}}
    with pytest.raises(client.ApiException) as refusal:
        namespace.api.create_namespaced_pod(namespace.name, pod)
    assert refusal.value.status == 403
    assert (
        'pods \\"bad\\" is forbidden: violates PodSecurity \\"restricted:latest\\": allowPrivilegeEscalation != false '
        '(container \\"c\\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities '
        '(container \\"c\\" must set securityContext.capabilities.drop=[\\"ALL\\"]), runAsNonRoot != true (pod or '
        'container \\"c\\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container \\"c\\" must '
        'set securityContext.seccompProfile.type to \\"RuntimeDefault\\" or \\"Localhost\\")'
    ) in refusal.value.body


def test_logs_can_be_asked_for_in_part(namespace: Any) -> None:
    name = namespace.create(namespace.pod(namespace.container(command="for i in 1 2 3 4 5; do echo line $i; done")))
    namespace.until(name, lambda p: p["status"]["phase"] == "Succeeded")
    assert namespace.log(name, tail_lines=2) == "line 4\nline 5\n"
    assert namespace.log(name, limit_bytes=10) == "line 1\nlin"
    assert namespace.log(name, since_seconds=3600).count("\n") == 5
    stamped = namespace.log(name, timestamps=True, tail_lines=1)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z line 5\n", stamped)
    with pytest.raises(client.ApiException) as refusal:
        namespace.log(name, container="other")
    assert refusal.value.status == 400
    assert f"container other is not valid for pod {name}" in refusal.value.body


def test_a_followed_log_ends_with_its_container(namespace: Any) -> None:
    name = namespace.create(namespace.pod(namespace.container(command="for i in 1 2 3; do echo $i; sleep 0.3; done")))
    namespace.until(name, lambda p: is_running(p) or p["status"]["phase"] == "Succeeded")
    lines = list(watch.Watch().stream(namespace.api.read_namespaced_pod_log, name, namespace.name))
    assert lines == ["1", "2", "3"]


def test_exec_tells_output_from_errors_and_the_exit_code(namespace: Any) -> None:
    name = namespace.create(namespace.pod(namespace.container(command="exec sleep 60")))
    namespace.until(name, is_running)
    response = stream(
        namespace.api.connect_get_namespaced_pod_exec, name, namespace.name,
        command=["sh", "-c", "read line; echo got $line; echo bad >&2; exit 6"],
        stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
    )  # fmt: skip
    response.write_stdin("something\n")
    response.run_forever(timeout=20)
    assert response.read_stdout() == "got something\n"
    assert response.read_stderr() == "bad\n"
    assert response.returncode == 6
    namespace.api.delete_namespaced_pod(name, namespace.name, grace_period_seconds=1)


@needs_kubectl
def test_kubectl_exec_passes_stdin_and_the_exit_code(namespace: Any) -> None:
    name = namespace.create(namespace.pod(namespace.container(command="exec sleep 60")))
    namespace.until(name, is_running)
    piped = namespace.kubectl("exec", "-i", name, "--", "sh", "-c", "cat; exit 7", input="through\n")
    assert piped.stdout == "through\n"
    assert piped.returncode == 7
    missing = namespace.kubectl("exec", name, "--", "no-such-command")
    assert missing.returncode != 0
    assert 'exec: "no-such-command": executable file not found in $PATH' in missing.stderr
    namespace.api.delete_namespaced_pod(name, namespace.name, grace_period_seconds=1)


def test_a_watch_shows_a_recognisable_life(namespace: Any) -> None:
    # A kubelet looks at its containers once a second: one that is shorter may never be seen running.
    pod = namespace.pod(namespace.container(command="sleep 3"), name="life")
    start = namespace.api.list_namespaced_pod(namespace.name).metadata.resource_version
    namespace.create(pod)
    seen: list[tuple[str, str]] = []
    watcher = watch.Watch()
    for event in watcher.stream(
        namespace.api.list_namespaced_pod, namespace.name, field_selector="metadata.name=life",
        resource_version=start, timeout_seconds=60,
    ):  # fmt: skip
        phase = event["object"].status.phase
        if (event["type"], phase) in seen:
            continue
        seen.append((event["type"], phase))
        if phase == "Succeeded" and event["type"] == "MODIFIED":
            namespace.api.delete_namespaced_pod("life", namespace.name)
        if event["type"] == "DELETED":
            watcher.stop()
    assert seen == [
        ("ADDED", "Pending"), ("MODIFIED", "Pending"), ("MODIFIED", "Running"), ("MODIFIED", "Succeeded"),
        ("DELETED", "Succeeded"),
    ]  # fmt: skip


def test_volumes_show_config_maps_secrets_and_the_pod_itself(namespace: Any) -> None:
    namespace.api.create_namespaced_config_map(
        namespace.name, {"metadata": {"name": "files"}, "data": {"a.txt": "alpha", "b.txt": "beta"}}
    )
    namespace.api.create_namespaced_secret(
        namespace.name, {"metadata": {"name": "hidden"}, "stringData": {"password": "pass"}}
    )
    mounts = [
        {"name": "files", "mountPath": "/etc/files"},
        {"name": "one", "mountPath": "/etc/one"},
        {"name": "all", "mountPath": "/etc/all"},
        {"name": "files", "mountPath": "/etc/single/b", "subPath": "b.txt"},
    ]
    script = "cat /etc/files/a.txt /etc/one/renamed /etc/all/password /etc/all/labels /etc/all/deep/a /etc/single/b"
    volumes = [
        {"name": "files", "configMap": {"name": "files"}},
        {"name": "one", "configMap": {"name": "files", "items": [{"key": "b.txt", "path": "renamed"}]}},
        {"name": "all", "projected": {"sources": [
            {"secret": {"name": "hidden"}},
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {"configMap": {"name": "files", "items": [{"key": "a.txt", "path": "deep/a"}]}},
        ]}},
    ]  # fmt: skip
    pod = namespace.ended(
        namespace.pod(namespace.container(command=script, volumeMounts=mounts), volumes=volumes, labels={"k": "v"})
    )
    assert namespace.log(pod["metadata"]["name"]) == 'alphabetapassk="v"alphabeta'


def test_a_missing_config_map_keeps_the_pod_from_starting(namespace: Any) -> None:
    main = namespace.container(volumeMounts=[{"name": "v", "mountPath": "/etc/v"}])
    name = namespace.create(namespace.pod(main, volumes=[{"name": "v", "configMap": {"name": "not-yet"}}]))
    selector = f"involvedObject.name={name},reason=FailedMount"
    deadline = time.monotonic() + 30
    while not (found := namespace.api.list_namespaced_event(namespace.name, field_selector=selector).items):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found[0].message == 'MountVolume.SetUp failed for volume "v" : configmap "not-yet" not found'
    assert waiting_reason(namespace.get(name)) == "ContainerCreating"
    namespace.api.delete_namespaced_pod(name, namespace.name, grace_period_seconds=0)


def test_a_volume_that_nobody_mounts_is_never_missed(namespace: Any) -> None:
    pod = namespace.ended(
        namespace.pod(namespace.container(), volumes=[{"name": "v", "configMap": {"name": "not-yet"}}])
    )
    assert pod["status"]["phase"] == "Succeeded"


def test_exec_understands_mount_paths(namespace: Any) -> None:
    main = namespace.container(
        command="echo inside > /work/file; trap 'exit 0' TERM; while true; do sleep 0.1; done",
        volumeMounts=[{"name": "work", "mountPath": "/work"}],
        readinessProbe={"exec": {"command": ["test", "-f", "/work/file"]}, "periodSeconds": 1},
    )
    name = namespace.create(namespace.pod(main, volumes=[{"name": "work", "emptyDir": {}}]))
    namespace.until(name, lambda p: conditions(p).get("Ready") == "True")
    output = stream(
        namespace.api.connect_get_namespaced_pod_exec, name, namespace.name, command=["cat", "/work/file"],
        stdin=False, stdout=True, stderr=True, tty=False,
    )  # fmt: skip
    assert output.strip() == "inside"
    namespace.api.delete_namespaced_pod(name, namespace.name, grace_period_seconds=1)


def test_a_container_may_leave_a_message(namespace: Any) -> None:
    main = namespace.container(command="echo -n final words > /dev/termination-log; exit 1")
    pod = namespace.ended(namespace.pod(main))
    assert terminated(pod)["message"] == "final words"
    fallback = namespace.container(
        command="echo from the log; exit 1", terminationMessagePolicy="FallbackToLogsOnError"
    )
    pod = namespace.ended(namespace.pod(fallback))
    assert terminated(pod)["message"] == "from the log\n"


def test_readiness_and_liveness_probes_decide(namespace: Any) -> None:
    mount = {"volumeMounts": [{"name": "work", "mountPath": "/work"}]}
    check = {"exec": {"command": ["test", "-f", "/work/ready"]}, "periodSeconds": 1}
    script = "sleep 1.5; touch /work/ready; trap 'exit 0' TERM; while true; do sleep 0.1; done"
    main = namespace.container(command=script, readinessProbe=check, **mount)
    name = namespace.create(namespace.pod(main, volumes=[{"name": "work", "emptyDir": {}}]))
    namespace.until(name, lambda p: is_running(p) and conditions(p)["Ready"] == "False")
    namespace.until(name, lambda p: conditions(p)["Ready"] == "True")
    namespace.api.delete_namespaced_pod(name, namespace.name, grace_period_seconds=1)

    failing = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    main = namespace.container(command="trap 'exit 0' TERM; while true; do sleep 0.1; done", livenessProbe=failing)
    name = namespace.create(namespace.pod(main, restartPolicy="Always"))
    namespace.until(name, lambda p: p["status"].get("containerStatuses", [{}])[0].get("restartCount", 0) >= 1)
    namespace.api.delete_namespaced_pod(name, namespace.name, grace_period_seconds=1)


def test_a_full_empty_dir_evicts_its_pod(namespace: Any) -> None:
    main = namespace.container(
        command="dd if=/dev/zero of=/work/big bs=1M count=8; trap 'exit 1' TERM; while true; do sleep 0.1; done",
        volumeMounts=[{"name": "work", "mountPath": "/work"}],
    )
    volumes = [{"name": "work", "emptyDir": {"sizeLimit": "2Mi"}}]
    pod = namespace.ended(namespace.pod(main, volumes=volumes), timeout_seconds=150)
    assert pod["status"]["phase"] == "Failed"
    assert pod["status"]["reason"] == "Evicted"
    assert pod["status"]["message"].strip() == 'Usage of EmptyDir volume "work" exceeds the limit "2Mi".'


def test_a_dependent_goes_with_its_owner(namespace: Any) -> None:
    owner = namespace.api.create_namespaced_config_map(namespace.name, {"metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid}
    pod = namespace.pod(namespace.container(command="trap 'exit 0' TERM; while true; do sleep 0.1; done"))
    pod["metadata"]["ownerReferences"] = [reference]
    name = namespace.create(pod)
    namespace.until(name, is_running)
    namespace.api.delete_namespaced_config_map("owner", namespace.name)
    namespace.until_gone(name)


def test_events_tell_the_story_of_a_pod(namespace: Any) -> None:
    pod = namespace.ended(namespace.pod(namespace.container()))
    selector = f"involvedObject.uid={pod['metadata']['uid']}"
    wanted = {"Scheduled", "Pulled", "Created", "Started"}
    deadline = time.monotonic() + 20
    while True:
        found = {e.reason for e in namespace.api.list_namespaced_event(namespace.name, field_selector=selector).items}
        if wanted <= found:
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


@needs_kubectl
def test_kubectl_wait_and_delete_understand_the_cluster(namespace: Any) -> None:
    main = namespace.container(command="trap 'exit 0' TERM; while true; do sleep 0.1; done")
    name = namespace.create(namespace.pod(main))
    waited = namespace.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=30s")
    assert waited.stdout == f"pod/{name} condition met\n"
    deleted = namespace.kubectl("delete", "pod", name)
    assert deleted.returncode == 0, deleted.stderr
    assert f'pod "{name}" deleted' in deleted.stdout
    assert namespace.kubectl("get", "pod", name).returncode == 1
