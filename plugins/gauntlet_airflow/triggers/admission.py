"""What ``admit`` waits for: its definition is valid, its row and snapshot are there, it is its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskFailedEvent, TaskSuccessEvent, TriggerEvent

from gauntlet.testing.lifecycle import admission

# A database that restarts must not fail every run that is just being admitted.
_RETRY_SECONDS = (1, 2, 5, 10, 20, 30)


class AdmissionTrigger(BaseTrigger):
    """Admit one run.

    :param document: definition embedded in the DAG as JSON; empty when it comes at trigger time.
    :param definition: definition given at trigger time as JSON (an object, or a string of YAML); may be empty.
    :param overrides: the form's values as a JSON object.
    :param run_dag_id: the DAG's id.
    :param run_name: the DAG run's id.
    :param submitter: who asked; may be empty.
    """

    def __init__(
        self, *, document: str, definition: str, overrides: str, run_dag_id: str, run_name: str, submitter: str
    ) -> None:
        super().__init__()
        self.document = document
        self.definition = definition
        self.overrides = overrides
        self.run_dag_id = run_dag_id
        self.run_name = run_name
        self.submitter = submitter

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """As Airflow stores it."""
        names = ("document", "definition", "overrides", "run_dag_id", "run_name", "submitter")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Admit, or fail; the reason is on the execution and in this task's log."""
        request = admission.Request(
            dag_id=self.run_dag_id,
            run_id=self.run_name,
            submitter=self.submitter,
            document=self.document,
            definition=self.definition,
            overrides=self.overrides,
        )
        for delay in (*_RETRY_SECONDS, None):
            try:
                answer = await asyncio.to_thread(admission.admit, request)
            except admission.DatabaseUnreachableError as error:
                if delay is None:
                    raise
                self.log.warning("%s; trying again in %s s", error, delay)
                await asyncio.sleep(delay)
            else:
                break
        if answer.refusal:
            self.log.error("%s is rejected: %s", answer.execution, answer.refusal)
            yield TaskFailedEvent()
        else:
            self.log.info("%s is admitted", answer.execution)
            yield TaskSuccessEvent(xcoms={"execution": answer.execution})
