"""The API as clients meet it: verbs, refusals, lists, watches. Spoken to in plain HTTP, on a running devcluster."""

# ruff: noqa: S310 - every address here is the cluster's own on loopback
from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from gauntlet.local.devcluster.testing import RunningCluster

Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def call(cluster: RunningCluster) -> Call:
    """Make a request; returns status and body."""

    def request(
        method: str,
        path: str,
        body: Any = None,
        kind: str = "application/json",
        token: str | None = None,
        **headers: str,
    ) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        given = {
            "Authorization": f"Bearer {cluster.token if token is None else token}",
            "Content-Type": kind,
            **headers,
        }
        wanted = urllib.request.Request(cluster.url + path, data=data, method=method, headers=given)
        try:
            with urllib.request.urlopen(wanted, timeout=30) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read())

    return request


@pytest.fixture
def maps(namespace: str) -> str:
    """The path of the config maps of a fresh namespace."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "1"}}


def pod(name: str = "p", **container: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "busybox", **container}]}}


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_without_the_right_token_nothing_is_said(cluster: RunningCluster, token: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=10)
    connection.request("GET", "/api/v1/pods", headers={"Authorization": f"Bearer {token}".encode()})
    answer = connection.getresponse()
    assert answer.status == 401
    assert json.loads(answer.read())["reason"] == "Unauthorized"
    connection.close()


def test_health_and_version_need_no_token(cluster: RunningCluster) -> None:
    for path in ("/readyz", "/livez", "/healthz", "/version"):
        with urllib.request.urlopen(cluster.url + path, timeout=10) as response:
            assert response.status == 200


def test_the_same_port_speaks_tls_with_the_kubeconfig_s_authority(cluster: RunningCluster) -> None:
    context = ssl.create_default_context(cafile=str(cluster.state_dir / "server.crt"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with urllib.request.urlopen(f"https://127.0.0.1:{cluster.port}/readyz", context=context, timeout=10) as response:
        assert response.read() == b"ok"


def test_it_listens_on_loopback_alone(cluster: RunningCluster) -> None:
    import psutil

    listening = [c for c in psutil.Process(cluster.process.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"}


def test_its_files_are_for_their_owner_alone(cluster: RunningCluster) -> None:
    for name in ("kubeconfig", "token", "server.key"):
        assert (cluster.state_dir / name).stat().st_mode & 0o777 == 0o600


def test_creating_twice_is_a_conflict(call: Call, maps: str) -> None:
    assert call("POST", maps, config_map("x"))[0] == 201
    code, status = call("POST", maps, config_map("x"))
    assert (code, status["reason"]) == (409, "AlreadyExists")
    assert status["message"] == 'configmaps "x" already exists'


def test_an_update_of_an_old_version_is_a_conflict(call: Call, maps: str) -> None:
    _, first = call("POST", maps, config_map("x"))
    _, second = call("PUT", f"{maps}/x", {**first, "data": {"a": "2"}})
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    code, status = call("PUT", f"{maps}/x", {**first, "data": {"a": "3"}})
    assert (code, status["reason"]) == (409, "Conflict")


def test_an_update_that_changes_nothing_makes_no_new_version(call: Call, maps: str) -> None:
    _, first = call("POST", maps, config_map("x"))
    assert call("PUT", f"{maps}/x", first)[1] == first


def test_a_generated_name_begins_as_asked(call: Call, maps: str) -> None:
    body = {"metadata": {"generateName": "run-"}}
    names = {call("POST", maps, body)[1]["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("run-") and len(name) == 9 for name in names)


def test_what_is_not_there_is_not_found(call: Call, maps: str, namespace: str) -> None:
    code, status = call("GET", f"{maps}/none")
    assert (code, status["message"]) == (404, 'configmaps "none" not found')
    assert status["details"] == {"name": "none", "kind": "configmaps"}
    assert call("GET", "/api/v1/unicorns")[0] == 404
    code, status = call("POST", "/api/v1/namespaces/nowhere/configmaps", config_map("x"))
    assert (code, status["message"]) == (404, 'namespaces "nowhere" not found')


def test_everything_wrong_with_a_pod_is_said_at_once(call: Call, namespace: str) -> None:
    body = {
        "metadata": {"name": "Bad_Name"},
        "spec": {
            "restartPolicy": "Sometimes",
            "containers": [
                {"name": "c", "volumeMounts": [{"name": "none", "mountPath": "/x"}]},
                {"name": "c", "image": "i", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
                {"name": "d", "image": "i", "resources": {"limits": {"memory": "lots"}}},
            ],
        },
    }
    code, status = call("POST", f"/api/v1/namespaces/{namespace}/pods", body)
    assert (code, status["reason"]) == (422, "Invalid")
    causes = {(cause["field"], cause["reason"]) for cause in status["details"]["causes"]}
    assert causes == {
        ("metadata.name", "FieldValueInvalid"),
        ("spec.restartPolicy", "FieldValueNotSupported"),
        ("spec.containers[0].image", "FieldValueRequired"),
        ("spec.containers[0].volumeMounts[0].name", "FieldValueNotFound"),
        ("spec.containers[1].name", "FieldValueDuplicate"),
        ("spec.containers[1].resources.requests", "FieldValueInvalid"),
        ("spec.containers[2].resources.limits[memory]", "FieldValueInvalid"),
        ("spec.containers[2].resources.requests[memory]", "FieldValueInvalid"),
    }
    assert 'Invalid value: "2": must be less than or equal to cpu limit of 1' in status["message"]


def test_an_unknown_field_is_refused_when_strict_and_dropped_with_a_warning_otherwise(
    call: Call, cluster: RunningCluster, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    code, status = call("POST", f"{path}?fieldValidation=Strict", pod(colour="red"))
    assert code == 400
    assert status["message"] == (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field '
        '"spec.containers[0].colour"'
    )
    request = urllib.request.Request(
        f"{cluster.url}{path}?dryRun=All", data=json.dumps(pod(colour="red")).encode(), method="POST",
        headers={"Authorization": f"Bearer {cluster.token}", "Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=10) as response:
        assert "unknown field" in response.headers["Warning"]
        assert "colour" not in json.loads(response.read())["spec"]["containers"][0]


def test_a_value_of_a_wrong_type_is_refused_as_go_would(call: Call, namespace: str) -> None:
    body = pod(env=[{"name": "A", "value": 5}])
    code, status = call("POST", f"/api/v1/namespaces/{namespace}/pods", body)
    assert code == 400
    assert (
        "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string"
        in (status["message"])
    )


def test_quantities_may_be_numbers(call: Call, namespace: str) -> None:
    body = pod(resources={"requests": {"cpu": 1, "memory": 64}})
    code, made = call("POST", f"/api/v1/namespaces/{namespace}/pods?dryRun=All", body)
    assert code == 201
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "1", "memory": "64"}


def test_a_dry_run_leaves_nothing_behind(call: Call, maps: str) -> None:
    assert call("POST", f"{maps}?dryRun=All", config_map("x"))[0] == 201
    assert call("GET", f"{maps}/x")[0] == 404
    call("POST", maps, config_map("x"))
    call("DELETE", f"{maps}/x?dryRun=All")
    assert call("GET", f"{maps}/x")[0] == 200


def test_a_pod_s_specification_cannot_be_changed(call: Call, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    call("POST", path, pod(command=["sleep", "100"]))
    patch = {"spec": {"containers": [{"name": "c", "command": ["other"]}]}}
    code, status = call("PATCH", f"{path}/p", patch, "application/strategic-merge-patch+json")
    assert code == 422
    assert "pod updates may not change fields other than" in status["message"]
    labels = {"metadata": {"labels": {"a": "b"}}}
    assert call("PATCH", f"{path}/p", labels, "application/merge-patch+json")[1]["metadata"]["labels"] == {"a": "b"}
    call("DELETE", f"{path}/p?gracePeriodSeconds=0")


def test_lists_come_in_pages(call: Call, maps: str) -> None:
    for number in range(5):
        call("POST", maps, config_map(f"m{number}", group="pages"))
    seen: list[str] = []
    path = f"{maps}?limit=2&labelSelector=group%3Dpages"
    code, page = call("GET", path)
    assert page["metadata"]["remainingItemCount"] == 3
    while True:
        assert code == 200
        seen += [item["metadata"]["name"] for item in page["items"]]
        if "continue" not in page["metadata"]:
            break
        code, page = call("GET", f"{path}&continue={page['metadata']['continue']}")
    assert seen == [f"m{number}" for number in range(5)]
    assert call("GET", f"{maps}?continue=rubbish")[0] == 400


def test_selectors_choose_by_label_and_by_field(call: Call, maps: str) -> None:
    call("POST", maps, config_map("a", colour="red"))
    call("POST", maps, config_map("b", colour="blue"))

    def names(query: str) -> list[str]:
        return [item["metadata"]["name"] for item in call("GET", f"{maps}?{query}")[1]["items"]]

    assert names("labelSelector=colour%20in%20(red)") == ["a"]
    assert names("fieldSelector=metadata.name%3Db") == ["b"]
    code, status = call("GET", f"{maps}?fieldSelector=spec.colour%3Db")
    assert (code, status["message"]) == (400, "field label not supported: spec.colour")
    assert call("GET", f"{maps}?labelSelector=((")[0] == 400


def watch_lines(cluster: RunningCluster, path: str, count: int, accept: str = "application/json") -> list[Any]:
    request = urllib.request.Request(
        cluster.url + path, headers={"Authorization": f"Bearer {cluster.token}", "Accept": accept}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return [json.loads(response.readline()) for _ in range(count)]


def test_a_watch_with_a_selector_sees_objects_come_and_go(call: Call, cluster: RunningCluster, maps: str) -> None:
    _, listed = call("GET", maps)
    since = listed["metadata"]["resourceVersion"]
    call("POST", maps, config_map("x"))
    for colour in ("red", "green", "red"):
        patch = {"metadata": {"labels": {"colour": colour}}}
        call("PATCH", f"{maps}/x", patch, "application/merge-patch+json")
    call("DELETE", f"{maps}/x")
    path = f"{maps}?watch=true&resourceVersion={since}&labelSelector=colour%3Dred"
    events = watch_lines(cluster, path, 4)
    assert [event["type"] for event in events] == ["ADDED", "DELETED", "ADDED", "DELETED"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))


def test_a_watch_from_nowhere_begins_with_what_is_there_and_marks_its_end(
    call: Call, cluster: RunningCluster, maps: str
) -> None:
    call("POST", maps, config_map("x"))
    path = f"{maps}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&fieldSelector=metadata.name%3Dx"
    added, bookmark = watch_lines(cluster, path, 2)
    assert added["type"] == "ADDED"
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_watch_from_a_version_of_an_earlier_life_is_gone(cluster: RunningCluster, maps: str) -> None:
    (event,) = watch_lines(cluster, f"{maps}?watch=true&resourceVersion=1", 1)
    assert event["type"] == "ERROR"
    assert event["object"]["code"] == 410
    assert event["object"]["reason"] == "Expired"


def test_a_watch_of_a_table_gives_rows(call: Call, cluster: RunningCluster, maps: str) -> None:
    call("POST", maps, config_map("x"))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    path = f"{maps}?watch=true&fieldSelector=metadata.name%3Dx"
    (event,) = watch_lines(cluster, path, 1, accept)
    assert event["object"]["kind"] == "Table"
    assert event["object"]["rows"][0]["cells"][:2] == ["x", 1]
    assert event["object"]["columnDefinitions"][0]["name"] == "Name"


def test_deleting_a_namespace_deletes_what_is_in_it(call: Call, cluster: RunningCluster) -> None:
    call("POST", "/api/v1/namespaces", {"metadata": {"name": "doomed"}})
    call("POST", "/api/v1/namespaces/doomed/configmaps", config_map("x"))
    call("DELETE", "/api/v1/namespaces/doomed")
    assert call("GET", "/api/v1/namespaces/doomed/configmaps/x")[0] == 404
    assert call("GET", "/api/v1/namespaces/doomed")[0] == 404


def test_dependents_go_with_their_last_owner_unless_orphaned(call: Call, maps: str) -> None:
    owners = [call("POST", maps, config_map(name))[1] for name in ("o1", "o2", "o3")]
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": o["metadata"]["name"], "uid": o["metadata"]["uid"]}
        for o in owners
    ]
    shared, kept = config_map("shared"), config_map("kept")
    shared["metadata"]["ownerReferences"], kept["metadata"]["ownerReferences"] = references[:2], references[2:]
    call("POST", maps, shared)
    call("POST", maps, kept)
    call("DELETE", f"{maps}/o1")
    assert call("GET", f"{maps}/shared")[1]["metadata"]["ownerReferences"] == references[1:2]
    call("DELETE", f"{maps}/o2")
    assert call("GET", f"{maps}/shared")[0] == 404
    call("DELETE", f"{maps}/o3?propagationPolicy=Orphan")
    assert call("GET", f"{maps}/kept")[0] == 200


def test_a_finalizer_keeps_an_object_until_it_is_taken_off(call: Call, maps: str) -> None:
    body = config_map("held")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    call("POST", maps, body)
    call("DELETE", f"{maps}/held")
    assert "deletionTimestamp" in call("GET", f"{maps}/held")[1]["metadata"]
    call("PATCH", f"{maps}/held", {"metadata": {"finalizers": None}}, "application/merge-patch+json")
    assert call("GET", f"{maps}/held")[0] == 404


def test_a_precondition_protects_a_newer_object(call: Call, maps: str) -> None:
    call("POST", maps, config_map("x"))
    code, status = call("DELETE", f"{maps}/x", {"preconditions": {"uid": "other"}})
    assert (code, status["reason"]) == (409, "Conflict")
    assert call("GET", f"{maps}/x")[0] == 200


def test_server_side_apply_conflicts_unless_forced(call: Call, maps: str) -> None:
    kind = "application/apply-patch+yaml"
    assert call("PATCH", f"{maps}/x?fieldManager=one", config_map("x"), kind)[0] == 201
    other = {**config_map("x"), "data": {"a": "2"}}
    code, status = call("PATCH", f"{maps}/x?fieldManager=two", other, kind)
    assert code == 409
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    code, forced = call("PATCH", f"{maps}/x?fieldManager=two&force=true", other, kind)
    assert (code, forced["data"]) == (200, {"a": "2"})


def test_a_body_that_is_too_large_is_refused(call: Call, maps: str) -> None:
    code, status = call("POST", maps, {**config_map("x"), "data": {"a": "x" * (4 * 2**20)}})
    assert (code, status["reason"]) == (413, "RequestEntityTooLarge")


def test_rubbish_is_refused_and_breaks_nothing(call: Call, maps: str) -> None:
    assert call("POST", maps, [1, 2])[0] == 400
    assert call("POST", maps, {"kind": "Pod"})[0] == 400
    assert call("POST", maps, {"metadata": {"name": "x", "labels": "none"}})[0] == 400
    assert call("POST", maps, {"metadata": "none"})[0] == 400
    assert call("POST", maps, {"metadata": {"name": "x"}, "data": {"a": {"b": 1}}})[0] == 400
    assert call("POST", maps, {"metadata": {"name": "x", "namespace": "elsewhere"}})[0] == 400
    assert call("PATCH", f"{maps}/x", {}, "text/plain")[0] == 415
    assert call("PUT", maps, config_map("x"))[0] == 405
    assert call("GET", maps)[0] == 200


def test_a_claim_is_bound_at_once_to_a_folder_of_its_own(call: Call, cluster: RunningCluster, namespace: str) -> None:
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    call("POST", claims, {"metadata": {"name": "data"}, "spec": spec})
    query = "watch=true&fieldSelector=metadata.name%3Ddata&timeoutSeconds=20"
    request = urllib.request.Request(
        f"{cluster.url}{claims}?{query}", headers={"Authorization": f"Bearer {cluster.token}"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        phases = (json.loads(line)["object"]["status"]["phase"] for line in response)
        assert "Bound" in phases
    volume = call("GET", f"{claims}/data")[1]["spec"]["volumeName"]
    path = call("GET", f"/api/v1/persistentvolumes/{volume}")[1]["spec"]["hostPath"]["path"]
    assert path.endswith(f"/volumes/{namespace}/data")
