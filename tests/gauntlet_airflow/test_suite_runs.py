"""Every way a suite's run can go ends in the right verdict, the right colour and with nothing lost."""

from __future__ import annotations

import json
import signal
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest
from kubernetes import client

from gauntlet.settings import current
from gauntlet.storage import executions, layout
from gauntlet.testing.lifecycle.installation import store, transaction

pytestmark = [pytest.mark.slow, pytest.mark.stack]

TWO_GREEN = """
    def test_one(): pass
    def test_two(): pass
"""
ONE_RED = """
    def test_good(): pass
    def test_bad(): assert 1 + 1 == 3
"""
# Two files' worth of work in one script: the first case ends at once, the second waits to be disturbed.
QUICK_AND_SLOW = """
    import time
    def test_quick(): pass
    def test_slow(): time.sleep(90)
"""


def shard_of(document: dict[str, Any], status: str) -> dict[str, Any]:
    found = [shard for shard in document["shards"] if shard["status"] == status]
    assert len(found) == 1, document["shards"]
    return dict(found[0])


def test_a_green_suite_is_completed_and_its_dag_run_green(runs: Any) -> None:
    execution = runs.start(runs.suite(TWO_GREEN, config={"parallelism": 2}))
    document = runs.finish(execution)
    assert (document["status"], document["tests"], document["passed"]) == ("completed", 2, 2)
    assert [shard["status"] for shard in document["shards"]] == ["passed", "passed"]
    assert runs.colour(execution) == "success"
    assert runs.look(execution).execution.exit_code == 0
    assert set(document["reports"]) == {"html", "json", "junit"}


def test_a_failing_test_makes_the_run_red_and_is_told_with_its_traceback(runs: Any) -> None:
    execution = runs.start(runs.suite(ONE_RED))
    document = runs.finish(execution)
    assert (document["status"], document["passed"], document["failed"]) == ("failed", 1, 1)
    assert runs.colour(execution) == "failed"
    assert runs.look(execution).execution.exit_code == 1
    assert "assert (1 + 1) == 3" in runs.read(execution, "reports/report.json")


def test_a_suite_without_tests_could_not_run(runs: Any) -> None:
    execution = runs.start(runs.suite("x = 1\n"))
    document = runs.finish(execution)
    assert (document["status"], document["tests"], document["shards"]) == ("failed", 0, [])
    assert runs.look(execution).execution.exit_code == 2
    assert runs.colour(execution) == "failed"


def test_a_definition_that_is_wrong_is_rejected_by_the_run_itself(runs: Any) -> None:
    run_id = f"by-hand-{uuid.uuid4().hex[:8]}"
    runs.airflow.trigger("run_test", run_id, {"definition": "kind: TestSuite\nname: x\ntype: pytst\n"})

    def look() -> Any:
        with transaction() as connection:
            found = executions.of_dag_run(connection, "run_test", run_id)
        return found if found is not None and found.verdict is not None else None

    rejected = runs.wait_for(look, "the rejection")
    assert (rejected.status, rejected.exit_code) == ("rejected", 3)
    assert "type: found" in rejected.failure_reason
    assert "content: found nothing" in rejected.failure_reason


def test_a_killed_shard_fails_the_run_with_its_cause_and_the_others_results_stay(runs: Any) -> None:
    execution = runs.start(runs.suite(QUICK_AND_SLOW, config={"parallelism": 2}))
    slow = runs.running_shard(execution, _shard_with(runs, execution, "test_slow"))
    runs.core.delete_namespaced_pod(slow.metadata.name, slow.metadata.namespace)
    document = runs.finish(execution)
    lost = shard_of(document, "lost")
    assert lost["cause"] == "PodDeleted"
    assert document["status"] == "failed"
    assert (document["tests"], document["passed"], document["errors"]) == (2, 1, 1)
    assert runs.look(execution).execution.exit_code == 2


def test_a_shard_that_is_killed_without_grace_is_lost_too(runs: Any) -> None:
    execution = runs.start(runs.suite(QUICK_AND_SLOW, config={"parallelism": 2}))
    slow = runs.running_shard(execution, _shard_with(runs, execution, "test_slow"))
    runs.core.delete_namespaced_pod(slow.metadata.name, slow.metadata.namespace, grace_period_seconds=0)
    document = runs.finish(execution)
    assert shard_of(document, "lost")["cause"] == "PodDeleted"


def test_an_evicted_shard_says_so(runs: Any) -> None:
    execution = runs.start(runs.suite(QUICK_AND_SLOW, config={"parallelism": 2}))
    slow = runs.running_shard(execution, _shard_with(runs, execution, "test_slow"))
    eviction = client.V1Eviction(
        metadata=client.V1ObjectMeta(name=slow.metadata.name, namespace=slow.metadata.namespace)
    )
    runs.core.create_namespaced_pod_eviction(slow.metadata.name, slow.metadata.namespace, eviction)
    document = runs.finish(execution)
    assert shard_of(document, "lost")["cause"] == "Evicted"


def test_a_shard_that_eats_its_memory_is_oom_killed(runs: Any) -> None:
    script = """
        import time
        def test_hungry():
            hoard = bytearray(b"x" * 600_000_000)
            time.sleep(30)
    """
    document = runs.run(
        runs.suite(script, resources={"cpuRequest": "50m", "memoryRequest": "64Mi", "memoryLimit": "256Mi"})
    )
    lost = shard_of(document, "lost")
    assert lost["cause"] == "OOMKilled"
    assert (document["tests"], document["errors"]) == (1, 1)


def test_an_image_that_cannot_be_pulled_is_named(runs: Any) -> None:
    execution = runs.start(runs.suite(TWO_GREEN, config={"image": "nowhere.invalid/none:1"}))
    document = runs.finish(execution)
    assert (document["status"], document["cause"]) == ("failed", "ImageUnavailable")
    assert "nowhere.invalid/none:1" in document["reason"]


def test_a_shard_that_takes_too_long_times_out_and_keeps_what_it_had(runs: Any) -> None:
    execution = runs.start(runs.suite(QUICK_AND_SLOW, config={"timeout": 6, "gracePeriodSeconds": 2}))
    document = runs.finish(execution)
    assert document["status"] == "timeout"
    assert shard_of(document, "timeout")["cause"] == "TimedOut"
    assert (document["passed"], document["errors"]) == (1, 1)


def test_a_missing_secret_is_refused_before_any_shard_starts(runs: Any) -> None:
    execution = runs.start(runs.suite(TWO_GREEN, config={"env": {"KEY": "${secrets.nowhere/key}"}}))
    document = runs.finish(execution)
    assert (document["status"], document["cause"]) == ("rejected", "SecretMissing")
    assert "nowhere" in document["reason"]
    assert runs.pods(execution) == []
    assert runs.look(execution).execution.exit_code == 3


def test_a_secret_reaches_the_tests_and_nothing_else(runs: Any) -> None:
    namespace, value = current().namespace, f"hush-{uuid.uuid4().hex}"
    secret = client.V1Secret(metadata=client.V1ObjectMeta(name="vault"), string_data={"key": value})
    runs.core.create_namespaced_secret(namespace, secret)
    try:
        script = """
            import os
            def test_secret():
                print(os.environ["AUTH"])
                assert os.environ["AUTH"].startswith("Bearer hush-")
        """
        execution = runs.start(runs.suite(script, config={"env": {"AUTH": "Bearer ${secrets.vault/key}"}}))
        document = runs.finish(execution)
    finally:
        runs.core.delete_namespaced_secret("vault", namespace)
    assert document["status"] == "completed"
    store, logs = runs.stack.paths.store / "runs" / execution, runs.stack.paths.logs
    leaks = [
        path for folder in (store, logs) for path in Path(folder).rglob("*") if path.is_file() and value in _text(path)
    ]
    assert leaks == []


def test_a_run_cancelled_in_the_middle_stops_its_pods_and_keeps_what_it_had(runs: Any) -> None:

    execution = runs.start(runs.suite(QUICK_AND_SLOW))
    runs.running_shard(execution)
    runs.wait_for(lambda: runs.look(execution).counts.passed, "the first result")
    runs.fail_dag_run(execution)
    document = runs.finish(execution)
    assert document["status"] == "cancelled"
    assert (document["passed"], document["errors"]) == (1, 1)
    assert all(pod.status.phase in ("Succeeded", "Failed") for pod in runs.pods(execution))
    assert runs.colour(execution) == "failed"


def test_a_cleared_run_is_judged_anew(runs: Any) -> None:
    flag = runs.folder / "flag"
    script = f"""
        import os
        def test_flag(): assert os.path.exists({str(flag)!r})
        def test_other(): pass
    """
    execution = runs.start(runs.suite(script))
    assert runs.finish(execution)["status"] == "failed"
    flag.touch()
    runs.clear(execution, "run_shard")

    runs.wait_for(lambda: runs.look(execution).execution.status == "completed", "the second verdict")
    document = runs.finish(execution)
    assert (document["passed"], document["failed"]) == (2, 0)
    assert document["flaky"] == 1
    assert runs.colour(execution) == "success"


def test_a_lost_shard_is_tried_again_when_the_suite_says_so(runs: Any) -> None:
    script = """
        import time, os
        def test_slow(): time.sleep(5)
    """
    policy = {"maxRetries": 1, "backoffSeconds": 1, "backoffStrategy": "fixed"}
    execution = runs.start(runs.suite(script, config={"retryPolicy": policy}))
    pod = runs.running_shard(execution)
    runs.core.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace, grace_period_seconds=0)
    document = runs.finish(execution)
    assert document["status"] == "completed"
    assert document["shards"][0]["attempts"] == 2


def test_a_scheduler_that_is_killed_loses_nothing(runs: Any) -> None:
    script = """
        import time
        def test_slow(): time.sleep(20)
        def test_quick(): pass
    """
    execution = runs.start(runs.suite(script, config={"parallelism": 2}))
    runs.running_shard(execution, _shard_with(runs, execution, "test_slow"))
    scheduler = next(line for line in runs.stack.status() if line.name == "airflow-scheduler")
    psutil.Process(scheduler.pid).send_signal(signal.SIGKILL)
    document = runs.finish(execution)
    assert (document["status"], document["tests"], document["passed"]) == ("completed", 2, 2)
    assert runs.colour(execution) == "success"


def _shard_with(runs: Any, execution: str, case: str) -> int:
    """The index of the shard that runs a case, once there is a plan."""

    raw = runs.wait_for(lambda: store().read_if_exists(layout.plan(execution)), f"{execution}'s plan")
    return next(
        shard["index"] for shard in json.loads(raw)["shards"] if any(one.endswith(case) for one in shard["cases"])
    )


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")


def test_a_run_cancelled_while_it_waits_is_closed_without_a_task_of_it_running(runs: Any) -> None:
    triggerer = next(line for line in runs.stack.status() if line.name == "airflow-triggerer")
    process = psutil.Process(triggerer.pid)
    children = process.children(recursive=True)
    for one in (process, *children):
        one.suspend()
    try:
        execution = runs.start(runs.suite(TWO_GREEN))
        runs.wait_for(lambda: runs.colour(execution) == "running", "the DAG run's begin")
        runs.fail_dag_run(execution)
        runs.wait_for(lambda: runs.look(execution).over, "the execution's end")
    finally:
        for one in (*children, process):
            one.resume()
    found = runs.look(execution).execution
    assert (found.status, found.exit_code) == ("cancelled", 2)
    assert runs.pods(execution, "inventory") == []
