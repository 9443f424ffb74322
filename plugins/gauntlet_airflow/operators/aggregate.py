"""``aggregate``: the verdict. Its colour is the DAG run's.

It waits until no pod of the execution lives, merges what the attempts left, judges, stores and renders; merging and
judging are one task, so that clearing failed tasks judges anew. It may run as often as one likes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException

_PATIENCE = timedelta(minutes=15)


class Aggregate(BaseOperator):
    """Merge, judge, store, render."""

    def execute(self, context: Context) -> None:
        """Wait in the triggerer for the last pod, unless none lives."""
        from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

        from gauntlet.settings import current
        from gauntlet.testing.lifecycle import attempts
        from gauntlet_airflow.cluster import living_pods
        from gauntlet_airflow.triggers.pods_gone import PodsGoneTrigger

        settings = current()
        execution = attempts.execution_of(context["ti"].dag_id, context["run_id"])
        client = KubernetesHook(conn_id=settings.cluster_conn_id).core_v1_client
        if living_pods(client, settings.namespace, execution):
            self.defer(
                trigger=PodsGoneTrigger(
                    conn_id=settings.cluster_conn_id, namespace=settings.namespace, execution=execution
                ),
                method_name="settle",
                timeout=_PATIENCE,
            )
        self.settle(context)

    def settle(self, context: Context, event: dict[str, Any] | None = None) -> None:
        """Reach the verdict.

        :raises AirflowFailException: as its last line, when the verdict is not green.
        """
        from gauntlet.testing.lifecycle import attempts, settling

        execution = attempts.execution_of(context["ti"].dag_id, context["run_id"])
        verdict = settling.settle(execution, self._tasks(context))
        self.log.info("%s: %s, %s", execution, verdict.state, verdict.reason)
        if verdict.exit_code:
            raise AirflowFailException(f"{verdict.state}: {verdict.reason}")

    @staticmethod
    def _tasks(context: Context) -> dict[str, str | None]:
        """The states of the run's tasks by name, mapped ones as ``run_shard_<i>``."""
        ti = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[context["run_id"]])
        return dict(states.get(context["run_id"], {}))
