"""The task graph of each kind of run: read these first. Wiring only; what the tasks do is in the operators.

Each graph imports its operators when it is built, so that a loader of one kind does not pay for the others.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import DAG


def dag_of(*, dag_id: str, source: str, scheduled: bool, document: str) -> DAG:
    """The DAG of one definition file; called by the loaders that ``bundles`` writes.

    :param dag_id: from the file's path.
    :param source: the file's path below ``include/``.
    :param scheduled: False once the file is gone.
    :param document: the validated definition as JSON.
    """
    definition = json.loads(document)
    if definition["kind"] == "TestSuite":
        from gauntlet_airflow.graphs.suite import suite_dag

        return suite_dag(dag_id=dag_id, source=source, scheduled=scheduled, definition=definition)
    raise ValueError(f"{source}: no graph for kind {definition['kind']}")
