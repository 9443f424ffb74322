"""The whole embedded stack, started for real: closed, quick the second time, and mending itself."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from gauntlet.local import health, leftovers, ports, postgres
from gauntlet.local.keys import load_or_create
from gauntlet.local.paths import stack_paths
from gauntlet.local.stack import Component, Stack

pytestmark = [pytest.mark.stack, pytest.mark.slow]

RECOVERY_SECONDS = 60


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack that a test may ruin."""
    foreign = ("GAUNTLET_", "KUBECONFIG", "AIRFLOW_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    made = Stack({**env, "GAUNTLET_HOME": str(tmp_path / "state"), "GAUNTLET_PORT": str(ports.any_free())})
    yield made
    made.down()
    postgres.forget_home(stack_paths(made.env).postgres)


def test_everything_is_healthy_and_a_second_up_takes_a_moment(stack: Stack) -> None:
    # Whatever another test has just killed may still be on its way back.
    _eventually(lambda: not [each for each in stack.status() if each.problem])
    steps: list[str] = []
    started = time.process_time()
    stack.up(lambda step, seconds: steps.append(step))
    assert steps == []
    assert time.process_time() - started < 1.5, "processor time, which other work on the machine does not change"


def test_nothing_listens_beyond_loopback(stack: Stack) -> None:
    description = stack.description()
    assert description is not None
    addresses = []
    for process in leftovers.find(stack.paths.state, description.session):
        # A task's process may end between being found and being asked.
        with contextlib.suppress(psutil.NoSuchProcess):
            listening = process.net_connections(kind="inet")
            addresses += [each.laddr.ip for each in listening if each.status == psutil.CONN_LISTEN]
    assert len(addresses) >= 3
    assert set(addresses) == {"127.0.0.1"}


def test_airflow_answers_nobody_without_a_token_and_the_admin_with_one(stack: Stack) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        _airflow(stack, "/api/v2/dags")
    password = stack.paths.admin_password.read_text().strip()
    token = _airflow(stack, "/auth/token", body={"username": "admin", "password": password})["access_token"]
    assert "dags" in _airflow(stack, "/api/v2/dags", token=token)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        _airflow(stack, "/auth/token", body={"username": "admin", "password": "guess"})


def test_no_secret_is_in_a_log_or_a_command_line(stack: Stack) -> None:
    secrets = list(asdict(load_or_create(stack.paths)).values())
    description = stack.description()
    assert description is not None
    for process in leftovers.find(stack.paths.state, description.session):
        with contextlib.suppress(psutil.NoSuchProcess):
            assert not [secret for secret in secrets if secret in " ".join(process.cmdline())]
    assert stat.S_IMODE(stack.paths.state.stat().st_mode) == 0o700
    for log in (path for path in stack.paths.logs.rglob("*") if path.is_file()):
        text = log.read_text(encoding="utf-8", errors="replace")
        assert not [secret for secret in secrets if secret in text], log


@pytest.mark.parametrize("component", ["airflow-scheduler", "airflow-triggerer", "airflow-dag-processor"])
def test_a_killed_component_comes_back_by_itself_and_leaves_no_orphan(stack: Stack, component: str) -> None:
    before = _component(stack, component)
    children = psutil.Process(before.pid).children(recursive=True)
    os.kill(before.pid, signal.SIGKILL)
    _eventually(lambda: not [child for child in children if _lives(child)])

    def back() -> bool:
        now = _component(stack, component)
        return now.problem is None and now.pid not in {0, before.pid}

    _eventually(back)


def test_a_killed_devcluster_comes_back_with_its_namespace_and_volumes(stack: Stack) -> None:
    before = _component(stack, "devcluster")
    os.kill(before.pid, signal.SIGKILL)
    _eventually(lambda: _component(stack, "devcluster").pid not in {0, before.pid})
    _eventually(lambda: "gauntlet-store" in _claims(stack))


def test_a_ruined_stack_is_mended_by_up_and_down_leaves_no_process(own_stack: Stack) -> None:
    first = own_stack.up()
    assert first.session is not None
    os.kill(first.session, signal.SIGKILL)  # supervisord; its programs live on without it
    steps: list[str] = []
    second = own_stack.up(lambda step, seconds: steps.append(step))
    assert any("left-over" in step for step in steps)
    assert (second.postgres_port, second.devcluster_port) == (first.postgres_port, first.devcluster_port)
    assert not [each for each in own_stack.status() if each.problem]

    os.kill(_component(own_stack, "airflow-scheduler").pid, signal.SIGSTOP)
    _eventually(lambda: _component(own_stack, "airflow-scheduler").problem is not None)
    own_stack.up()
    assert not [each for each in own_stack.status() if each.problem]

    assert second.session is not None
    os.kill(second.session, signal.SIGKILL)
    assert own_stack.down()
    assert leftovers.find(own_stack.paths.state, second.session) == []
    assert {each.state for each in own_stack.status()} == {"stopped"}
    assert not own_stack.down()


def _airflow(stack: Stack, path: str, *, token: str = "", body: dict[str, str] | None = None) -> dict[str, object]:
    description = stack.description()
    assert description is not None
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    url = f"{description.ui_url}{path}"
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - always http on loopback
    with health.DIRECT.open(request, timeout=30) as response:
        answer: dict[str, object] = json.loads(response.read())
    return answer


def _component(stack: Stack, name: str) -> Component:
    return next(each for each in stack.status() if each.name == name)


def _claims(stack: Stack) -> list[str]:
    from kubernetes import client, config

    description = stack.description()
    assert description is not None
    try:
        api = client.CoreV1Api(config.new_client_from_config(description.kubeconfig))
        claims = api.list_namespaced_persistent_volume_claim("gauntlet").items
    except Exception:  # while it starts, any kind of refusal is possible; the deadline decides
        return []
    return [each.metadata.name for each in claims]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _eventually(probe: Callable[[], bool]) -> None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while not probe():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
