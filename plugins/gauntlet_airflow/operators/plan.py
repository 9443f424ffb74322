"""``plan``: the inventory becomes shards; what is returned maps ``run_shard``."""

from __future__ import annotations

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException


class Plan(BaseOperator):
    """Balance the cases over the shards by their past durations, and keep the plan in the store."""

    def execute(self, context: Context) -> list[int]:
        """Plan.

        :returns: the shards' indices; the plan itself is too large for an XCom.
        :raises AirflowFailException: when there is nothing to run, or the inventory could not be taken.
        """
        from gauntlet.testing.lifecycle import attempts, planning

        execution = attempts.execution_of(context["ti"].dag_id, context["run_id"])
        try:
            shards = planning.plan(execution)
        except planning.NothingToRunError as error:
            raise AirflowFailException(str(error)) from None
        self.log.info("%s: %d shards", execution, shards)
        return list(range(shards))
