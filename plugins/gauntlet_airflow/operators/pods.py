"""The pods of a run: KubernetesPodOperator tasks whose success is a manifest, and whose failure has a name.

KubernetesPodOperator creates or re-finds the pod and deletes it when its task is killed. What is ours: the pod's
specification (the domain's), the trigger that waits, and the exception that says why an attempt died.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from airflow.sdk import Context
from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

from gauntlet.kube import pods
from gauntlet.kube.attempts import Limits, Observation, judge
from gauntlet_airflow.operators.deaths import AttemptDied, died

INVENTORY = -1
# Trouble that is not the attempt's: the API server or the database did not answer the worker.
_TROUBLE_RETRIES = 4
_TROUBLE_DELAY = timedelta(seconds=5)
# A worker's slot is dearer than a second of latency once a run has many shards.
_FEW_SHARDS = 8


class ByCause(RetryPolicy):
    """Another attempt where the suite's retry policy has one left for this cause; else the end."""

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide after a failure in a worker."""
        from gauntlet.testing.lifecycle import attempts

        if not isinstance(exception, AttemptDied):
            if try_number > _TROUBLE_RETRIES:
                return RetryDecision.fail(f"{type(exception).__name__} again and again")
            return RetryDecision.retry(_TROUBLE_DELAY, reason=type(exception).__name__)
        if context is None:
            return RetryDecision.fail("no context to read the suite's retry policy from")
        shard = getattr(context["task"], "shard", INVENTORY)
        execution = attempts.execution_of(context["ti"].dag_id, context["run_id"])
        delay = attempts.retry_delay_seconds(execution, shard, exception.cause)
        if delay is None:
            return RetryDecision.fail(f"{exception.cause}: no retry left by the suite's retryPolicy")
        return RetryDecision.retry(timedelta(seconds=delay), reason=exception.cause.value)

    def serialize(self) -> dict[str, Any]:
        """It has no parameters."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> ByCause:
        """As it was."""
        return cls()


class AttemptPod(KubernetesPodOperator):
    """One attempt in a pod. Deferrable, without the XCom sidecar: results travel through the object store.

    :param shard: index from 0; -1 for the inventory.
    """

    def __init__(self, *, shard: int = INVENTORY, **kwargs: Any) -> None:
        super().__init__(
            base_container_name=pods.CONTAINER,
            deferrable=True,
            do_xcom_push=False,
            get_logs=False,
            log_events_on_failure=False,
            log_pod_spec_on_failure=False,
            random_name_suffix=False,
            # Finished pods stay for kubectl; housekeeping removes them.
            on_finish_action="keep_pod",
            **kwargs,
        )
        self.shard = shard
        self._execution = ""

    def execute(self, context: Context) -> Any:
        """Create the pod and wait for it in the triggerer."""
        from gauntlet.settings import current
        from gauntlet.testing.lifecycle import attempts

        self.kubernetes_conn_id = current().cluster_conn_id
        self._execution = attempts.execution_of(context["ti"].dag_id, context["run_id"])
        return super().execute(context)

    def build_pod_request_obj(self, context: Context | None = None, *, dry_run: bool = False) -> Any:
        """The pod that the domain specifies, with the labels by which KubernetesPodOperator finds it again."""
        from gauntlet.testing.lifecycle import attempts

        if context is None:
            raise ValueError("the pod depends on its run: there is none without a context")
        manifest = attempts.prepare(self._execution, self.shard, context["ti"].try_number)
        self.full_pod_spec = PodGenerator.deserialize_model_dict(manifest)
        self.name = manifest["metadata"]["name"]
        self.namespace = manifest["metadata"]["namespace"]
        self.automount_service_account_token = manifest["spec"]["automountServiceAccountToken"]
        return super().build_pod_request_obj(context, dry_run=dry_run)

    def get_or_create_pod(self, pod_request_obj: Any, context: Context) -> Any:
        """Create the attempt's pod, unless an earlier try of this task left one that is still at work.

        That try's worker died before it could wait for its pod. A finished pod is never taken up again: whoever
        clears a task wants its tests to run.
        """
        from kubernetes.client.exceptions import ApiException

        from gauntlet_airflow.cluster import at_work

        namespace = pod_request_obj.metadata.namespace
        if context["ti"].try_number > 1:
            left = at_work(self.client, namespace, self._execution, self.shard)
            if left is not None:
                self.log.info("Taking up pod %s, which an earlier try left", left.metadata.name)
                return left
        try:
            return self.client.create_namespaced_pod(namespace, pod_request_obj)
        except ApiException as error:
            if error.status != 409:
                raise
            # This very attempt made it, and its answer was lost.
            return self.client.read_namespaced_pod(pod_request_obj.metadata.name, namespace)

    def invoke_defer_method(self, last_log_time: Any = None, context: Context | None = None) -> None:
        """Watch the pod for a moment, then hand it to our own trigger, as the attempt that the pod says it is.

        A triggerer looks for new work once a second; most inventories and small suites are over by then.
        """
        from gauntlet.settings import current
        from gauntlet.testing.lifecycle import attempts, memory
        from gauntlet_airflow.cluster import watch_briefly
        from gauntlet_airflow.triggers.attempt import AttemptTrigger, event_of_pod

        settings = current()
        if self.pod is None or context is None:
            raise ValueError("there is no pod to wait for")
        # A pod that was found again belongs to the attempt that made it, not to this try.
        attempt = int(self.pod.metadata.labels[pods.ATTEMPT_LABEL])
        attempts.started(self._execution, self.shard, attempt, self.pod.metadata.name)
        limits = Limits(settings.pod_start_timeout_seconds, settings.silence_seconds)
        if self.shard < _FEW_SHARDS:
            for seen in watch_briefly(self.client, self.pod, settings.linger_seconds):
                manifest, _ = attempts.look(self._execution, self.shard, attempt)
                state = manifest.state if manifest else None
                ended = memory.reconsider(judge(Observation(pod=seen, manifest_state=state), limits), manifest, seen)
                if ended is not None and ended.death is not None:
                    where = self.pod.metadata
                    self.attempt_ended(context, event_of_pod(ended.death, where.namespace, where.name, seen), attempt)
                if ended is not None:
                    return
        self.defer(
            trigger=AttemptTrigger(
                conn_id=settings.cluster_conn_id,
                namespace=self.pod.metadata.namespace,
                pod=self.pod.metadata.name,
                execution=self._execution,
                shard=self.shard,
                attempt=attempt,
                since=self.pod.metadata.resource_version,
                start_timeout_seconds=limits.start_timeout_seconds,
                silence_seconds=limits.silence_seconds,
            ),
            method_name="attempt_ended",
            kwargs={"attempt": attempt},
        )

    def attempt_ended(self, context: Context, event: dict[str, Any], attempt: int) -> None:
        """Write down how the attempt died, and fail with that cause.

        :raises AttemptDied: always; an attempt that succeeded needs no telling.
        """
        from gauntlet.settings import current
        from gauntlet.testing.lifecycle import attempts
        from gauntlet_airflow.cluster import stop

        self.kubernetes_conn_id = current().cluster_conn_id
        execution = attempts.execution_of(context["ti"].dag_id, context["run_id"])
        attempts.ended(execution, self.shard, attempt, event)
        # One that waits for an image, or has fallen silent, would go on waiting beside the next attempt.
        stop(self.client, event["namespace"], event["pod"])
        raise died(event["cause"], event["message"])


class InventoryPod(AttemptPod):
    """``inventory``: the framework lists its cases, in a pod, because the control plane runs no test code."""


class ShardPod(AttemptPod):
    """``run_shard``: one shard's cases, in a pod."""

    template_fields = (*KubernetesPodOperator.template_fields, "shard")
