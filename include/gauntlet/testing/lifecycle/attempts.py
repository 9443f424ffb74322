"""One attempt's life: its order and pod are prepared, its beginning and death written down, its files looked at.

An attempt is one pod of the inventory (shard -1) or of a shard. The pod itself is Airflow's to create.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gauntlet.agent import contract
from gauntlet.agent.contract import Manifest
from gauntlet.errors import GauntletError
from gauntlet.kube import pods
from gauntlet.kube.causes import INFRASTRUCTURE, Cause
from gauntlet.runs import retries
from gauntlet.runs.states import State
from gauntlet.settings import current
from gauntlet.storage import attempts as rows
from gauntlet.storage import executions, layout
from gauntlet.storage.access import presigned_get, upload_policy
from gauntlet.storage.executions import Execution
from gauntlet.testing import orders
from gauntlet.testing.content import FolderContent, InlineContent
from gauntlet.testing.lifecycle import plans
from gauntlet.testing.lifecycle.installation import store, transaction
from gauntlet.testing.packing import pack
from gauntlet.testing.pods import suite_pod
from gauntlet.testing.results.agent_files import read_manifest
from gauntlet.testing.suite import TestSuite

INVENTORY = -1
# Beside the tests' own time, an attempt may wait for a node, fetch, build and upload.
_ACCESS_SECONDS = 4 * 3600
_MAX_UPLOAD_BYTES = 5_000_000_000


class NoExecutionError(GauntletError):
    """A DAG run has no execution: its ``admit`` did not run."""


def execution_of(dag_id: str, run_id: str) -> str:
    """The public id of a DAG run's execution.

    :raises NoExecutionError: when it has none.
    """
    with transaction() as connection:
        found = executions.of_dag_run(connection, dag_id, run_id)
    if found is None:
        raise NoExecutionError(f"the DAG run {dag_id}/{run_id} has no execution", todo="Clear its task `admit`")
    return found.public_id


def suite_of(execution: Execution) -> TestSuite:
    """The snapshot of the suite that an execution runs."""
    return TestSuite.model_validate(execution.definition)


def prepare(public_id: str, shard: int, attempt: int) -> pods.Json:
    """Write an attempt's order and say which pod shall follow it.

    :param shard: index from 0; -1 for the inventory.
    :param attempt: from 1.
    :returns: the pod's manifest.
    """
    settings = current()
    with transaction() as connection:
        execution = executions.get(connection, public_id)
    suite = suite_of(execution)
    order = _order(public_id, suite, shard, attempt)
    path = (
        layout.inventory_order(public_id, attempt)
        if shard == INVENTORY
        else layout.shard_order(public_id, shard, attempt)
    )
    store().write(path, contract.dumps(order).encode())
    mounted = order.upload.kind == "folder"
    return pods.manifest(
        suite_pod(
            suite,
            settings,
            execution=public_id,
            shard=shard,
            attempt=attempt,
            order_url=f"{pods.STORE}/{path}" if mounted else presigned_get(settings, path, _lifetime(suite)),
            store_claim=settings.store_claim if mounted else "",
        )
    )


def started(public_id: str, shard: int, attempt: int, pod: str) -> None:
    """Write down that an attempt's pod was created."""
    with transaction() as connection:
        execution = executions.get(connection, public_id)
        rows.record_started(connection, execution.execution_id, shard, attempt, pod=pod)
        if execution.state is State.SCHEDULED:
            executions.move(connection, execution.execution_id, State.INITIALIZING)


def ended(public_id: str, shard: int, attempt: int, death: dict[str, Any]) -> None:
    """Write down how an attempt died.

    :param death: ``cause``, ``message``, ``pod`` and ``node``.
    """
    with transaction() as connection:
        execution = executions.get(connection, public_id)
        rows.record_death(
            connection,
            execution.execution_id,
            shard,
            attempt,
            cause=death["cause"],
            message=death["message"],
            pod=death.get("pod", ""),
            node=death.get("node", ""),
        )


def look(public_id: str, shard: int, attempt: int) -> tuple[Manifest | None, str]:
    """What an attempt says of itself.

    :returns: its manifest, or None; and its heartbeat as it stands there.
    """
    prefix = _prefix(public_id, shard, attempt)
    files = store()
    manifest = files.read_if_exists(f"{prefix}/{layout.MANIFEST}")
    heartbeat = files.read_if_exists(f"{prefix}/{layout.HEARTBEAT}") or b""
    return _manifest(manifest), heartbeat.decode(errors="replace")


def _manifest(raw: bytes | None) -> Manifest | None:
    """A manifest that is none counts as not written: then the pod's end decides."""
    try:
        return read_manifest(raw.decode(errors="replace")) if raw is not None else None
    except ValueError:
        return None


def retry_delay_seconds(public_id: str, shard: int, cause: Cause) -> float | None:
    """The pause before another attempt, as the suite's retry policy has it; None for no other attempt."""
    with transaction() as connection:
        execution = executions.get(connection, public_id)
        known = rows.of_execution(connection, execution.execution_id)
    failures = len([one for one in known if one.shard == shard and one.death])
    policy = suite_of(execution).config.retry_policy
    condition = "infrastructure" if cause in INFRASTRUCTURE else "timeout" if cause is Cause.TIMED_OUT else ""
    if condition not in policy.retry_conditions or failures > policy.max_retries:
        return None
    return retries.delay_seconds(
        policy.backoff_strategy, backoff_seconds=policy.backoff_seconds, failures=max(1, failures)
    )


def _order(public_id: str, suite: TestSuite, shard: int, attempt: int) -> contract.Order:
    settings = current()
    upload = upload_policy(settings, _prefix(public_id, shard, attempt), _lifetime(suite), _MAX_UPLOAD_BYTES)
    environment = orders.environment_for_pod(
        suite,
        cache_folder=pods.CACHE if settings.cache_claim else "",
        resolution_ttl_seconds=settings.resolution_ttl_seconds,
    )
    if shard == INVENTORY:
        return orders.inventory_order(
            suite,
            execution=public_id,
            attempt=attempt,
            content=_content(suite, _packed(suite)),
            environment=environment,
            upload=upload,
            heartbeat_seconds=settings.heartbeat_seconds,
        )
    plan = plans.read(public_id)
    return orders.shard_order(
        suite,
        execution=public_id,
        shard=shard,
        attempt=attempt,
        cases=plan.shards[shard].case_ids,
        content=_content(suite, plan.packed),
        environment=environment,
        upload=upload,
        heartbeat_seconds=settings.heartbeat_seconds,
    )


def _packed(suite: TestSuite) -> str:
    """Put a folder or script into the store, once; its checksum, or empty for other contents."""
    if not isinstance(suite.content, FolderContent | InlineContent):
        return ""
    packed = pack(suite.content, base=Path(current().definitions_root))
    path = layout.content(packed.sha256)
    if not store().exists(path):
        store().write(path, packed.data)
    return packed.sha256


def _content(suite: TestSuite, packed_sha256: str) -> contract.Content:
    if not packed_sha256:
        return orders.content_for_pod(suite, "", "")
    path = layout.content(packed_sha256)
    settings = current()
    url = f"store:{path}" if store().is_folder else presigned_get(settings, path, _lifetime(suite))
    return orders.content_for_pod(suite, url, packed_sha256)


def _prefix(public_id: str, shard: int, attempt: int) -> str:
    if shard == INVENTORY:
        return layout.inventory_attempt(public_id, attempt)
    return layout.shard_attempt(public_id, shard, attempt)


def _lifetime(suite: TestSuite) -> int:
    return suite.config.timeout + _ACCESS_SECONDS
