"""Runs on a real stack: start one, look at it, wait for it, disturb it."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from gauntlet.cli.airflow import Airflow
from gauntlet.cli.run import submit
from gauntlet.cli.targets import resolve
from gauntlet.kube import pods
from gauntlet.local.stack import Stack
from gauntlet.settings import current
from gauntlet.testing.lifecycle import installation, progress
from gauntlet.testing.lifecycle.progress import Progress

PATIENCE_SECONDS = 180.0


def wait_for(look: Callable[[], Any], what: str, *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Look until there is something, or fail saying what never came."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.2)


@dataclass
class Runs:
    """What a test does with runs."""

    stack: Stack
    airflow: Airflow
    core: client.CoreV1Api
    folder: Path

    def suite(self, script: str, *, name: str = "probe", **fields: Any) -> Path:
        """A definition file outside of include/ whose tests are a script."""
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

    def start(self, what: Path | str) -> str:
        """Submit; the public id."""
        return submit(resolve(str(what), Path(current().definitions_root)), self.airflow)

    def look(self, execution: str) -> Progress:
        return progress.look(execution)

    def finish(self, execution: str) -> dict[str, Any]:
        """Wait for the verdict, and for its teardowns; the document."""
        wait_for(lambda: self.look(execution).over, f"{execution}'s verdict")
        found = self.look(execution)
        assert found.execution.dag_id
        wait_for(lambda: self.dag_run(found)["state"] in ("success", "failed"), f"the end of {execution}'s DAG run")
        return progress.document(self.look(execution), links={})

    def run(self, what: Path | str) -> dict[str, Any]:
        return self.finish(self.start(what))

    def dag_run(self, found: Progress | str) -> dict[str, Any]:
        one = self.look(found) if isinstance(found, str) else found
        path = f"/api/v2/dags/{one.execution.dag_id}/dagRuns/{one.execution.run_id}"
        answer: dict[str, Any] = self.airflow._request("GET", path).json()
        return answer

    def colour(self, execution: str) -> str:
        return str(self.dag_run(execution)["state"])

    def fail_dag_run(self, execution: str) -> None:
        """What the button "mark as failed" in Airflow's UI does."""
        one = self.look(execution).execution
        self.airflow._request("PATCH", f"/api/v2/dags/{one.dag_id}/dagRuns/{one.run_id}", json={"state": "failed"})

    def clear(self, execution: str, *tasks: str) -> None:
        """What the button "clear" does, with everything downstream."""
        one = self.look(execution).execution
        body = {
            "dry_run": False,
            "dag_run_id": one.run_id,
            "task_ids": list(tasks),
            "only_failed": False,
            "include_downstream": True,
        }
        self.airflow._request("POST", f"/api/v2/dags/{one.dag_id}/clearTaskInstances", json=body)

    def pods(self, execution: str, component: str = "shard") -> list[Any]:
        selector = f"{pods.execution_selector(execution)},{pods.COMPONENT_LABEL}={component}"
        return list(self.core.list_namespaced_pod(current().namespace, label_selector=selector).items)

    def running_shard(self, execution: str, shard: int = 0) -> Any:
        """Wait until a shard's tests run; its pod."""

        def look() -> Any:
            for pod in self.pods(execution):
                statuses = pod.status.container_statuses or []
                started = any(status.state.running for status in statuses)
                if pod.metadata.labels[pods.SHARD_LABEL] == str(shard) and started:
                    return pod
            return None

        return wait_for(look, f"shard {shard} of {execution} running")

    @staticmethod
    def wait_for(look: Callable[[], Any], what: str) -> Any:
        return wait_for(look, what)

    def read(self, execution: str, path: str) -> str:
        return installation.store().read(f"runs/{execution}/{path}").decode()


@pytest.fixture
def stack_settings(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The settings of the stack in this process, as its components have them, while the test runs."""
    for name, value in stack.settings().items():
        monkeypatch.setenv(name, value)
    current.cache_clear()
    installation.store.cache_clear()
    yield stack
    current.cache_clear()
    installation.store.cache_clear()


@pytest.fixture
def runs(stack_settings: Stack, tmp_path: Path) -> Runs:
    """Runs on the session's stack."""
    description = stack_settings.description()
    assert description is not None
    password = stack_settings.paths.admin_password.read_text().strip()
    api = config.new_client_from_config(description.kubeconfig)
    return Runs(stack_settings, Airflow(description.ui_url, "admin", password), client.CoreV1Api(api), tmp_path)
