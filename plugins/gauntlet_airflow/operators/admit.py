"""``admit``: the first task of every run, and the setup of its teardowns. It needs no worker.

It starts in the triggerer, validates and snapshots the definition, makes the execution's row where the submitter
did not, and lets the run go on when it is its turn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.triggers.base import StartTriggerArgs

_TRIGGER = "gauntlet_airflow.triggers.admission.AdmissionTrigger"


class Admit(BaseOperator):
    """Wait for admission.

    :param document: the definition that the DAG's file embeds; None when it comes at trigger time.
    :param definition: template that renders to the definition given at trigger time, as JSON (templated).
    :param overrides: template that renders to the form's values, as a JSON object (templated).
    """

    template_fields: Sequence[str] = ("definition", "overrides", "run_dag_id", "run_name", "submitter")
    start_from_trigger = True

    def __init__(
        self, *, document: dict[str, Any] | None, definition: str = "", overrides: str = "{}", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.document = json.dumps(document) if document is not None else ""
        self.definition = definition
        self.overrides = overrides
        self.run_dag_id = "{{ dag_run.dag_id }}"
        self.run_name = "{{ run_id }}"
        self.submitter = "{{ dag_run.triggering_user_name or '' }}"
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=_TRIGGER, trigger_kwargs=self._trigger_arguments(), next_method="execute_complete"
        )

    def _trigger_arguments(self) -> dict[str, Any]:
        return {
            "document": self.document,
            "definition": self.definition,
            "overrides": self.overrides,
            "run_dag_id": self.run_dag_id,
            "run_name": self.run_name,
            "submitter": self.submitter,
        }

    def execute(self, context: Context) -> None:
        """Only reached where the scheduler did not start the trigger by itself, as in ``dag.test()``."""
        from gauntlet_airflow.triggers.admission import AdmissionTrigger

        self.defer(trigger=AdmissionTrigger(**self._trigger_arguments()), method_name="execute_complete")

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> None:
        """Nothing is left to do: the trigger ends the task by itself."""
