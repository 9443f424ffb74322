"""``notify`` and ``release``: what follows a verdict. Both may run as often as one likes."""

from __future__ import annotations

from airflow.sdk import BaseOperator, Context


class Notify(BaseOperator):
    """Tell the verdict; for now to the log of this task."""

    def execute(self, context: Context) -> None:
        """Write one line that says it all."""
        from gauntlet.testing.lifecycle import attempts, settling

        execution = attempts.execution_of(context["ti"].dag_id, context["run_id"])
        self.log.info("%s", settling.announcement(execution))


class Release(BaseOperator):
    """Give back what the run held, and close its books."""

    def execute(self, context: Context) -> None:
        """Release."""
        from gauntlet.testing.lifecycle import attempts, settling

        settling.release(attempts.execution_of(context["ti"].dag_id, context["run_id"]))
