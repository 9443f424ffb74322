"""Hears of DAG runs that end before anybody could judge them: those cancelled while they waited for admission.

Their tasks never run, so nothing but this (and, should this process die, ``housekeeping``) tells the execution. It
is called in the scheduler and in the API server, sometimes twice for one run; it must be quick, and it may not fail.
"""

from __future__ import annotations

import logging

from airflow.listeners import hookimpl
from airflow.models.dagrun import DagRun

log = logging.getLogger(__name__)


@hookimpl
def on_dag_run_failed(dag_run: DagRun, msg: str) -> None:
    """Close an execution whose DAG run was failed while it was queued.

    :param dag_run: Airflow's. :param msg: Airflow's reason; unused.
    """
    from gauntlet.errors import GauntletError
    from gauntlet.testing.lifecycle import upkeep

    try:
        if upkeep.cancel_waiting(dag_run.dag_id, dag_run.run_id):
            log.info("%s/%s was cancelled while it waited", dag_run.dag_id, dag_run.run_id)
    except GauntletError as error:
        log.warning("cannot close the execution of %s/%s now: %s", dag_run.dag_id, dag_run.run_id, error)
