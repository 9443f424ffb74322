"""The tasks of ``housekeeping``. Each may be run at any time, by anyone, twice."""

from __future__ import annotations

import datetime as dt

from airflow.sdk import BaseOperator, Context


class Reconcile(BaseOperator):
    """Give a verdict to executions whose DAG run ended, or vanished, without one."""

    def execute(self, context: Context) -> list[str]:
        """Compare each open execution with its DAG run.

        :returns: public ids of the executions that were closed.
        """
        from airflow.sdk.exceptions import AirflowRuntimeError

        from gauntlet.testing.lifecycle import upkeep

        ti = context["ti"]
        closed = []
        for open_run in upkeep.open_runs():
            try:
                state = str(ti.get_dagrun_state(open_run.dag_id, open_run.run_id))
            except AirflowRuntimeError:
                state = "absent"
            if upkeep.reconcile(open_run, state):
                self.log.warning("%s: its DAG run is %s, so it is closed", open_run.execution, state)
                closed.append(open_run.execution)
        return closed


class RetirePods(BaseOperator):
    """Remove finished pods after their time (``GAUNTLET_POD_RETENTION_SECONDS``)."""

    def execute(self, context: Context) -> list[str]:
        """Remove them.

        :returns: the names of the removed pods.
        """
        from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
        from kubernetes.client.exceptions import ApiException

        from gauntlet.kube import pods
        from gauntlet.settings import current

        settings = current()
        hook = KubernetesHook(conn_id=settings.cluster_conn_id)
        client = hook.core_v1_client
        found = client.list_namespaced_pod(settings.namespace, label_selector=pods.MANAGED_SELECTOR)
        listed = client.api_client.sanitize_for_serialization(found)["items"]
        limit = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=settings.pod_retention_seconds)
        removed = pods.finished_before(listed, limit)
        for name in removed:
            try:
                client.delete_namespaced_pod(name, settings.namespace)
            except ApiException as error:
                if error.status != 404:
                    raise
        return removed


class RetireRuns(BaseOperator):
    """Remove rows and objects of old runs (``GAUNTLET_RUN_RETENTION_DAYS``)."""

    def execute(self, context: Context) -> list[str]:
        """Remove them.

        :returns: public ids of the removed executions.
        """
        from gauntlet.testing.lifecycle import upkeep

        return upkeep.retire_runs()
