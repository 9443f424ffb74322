"""Airflow DAG ``housekeeping``: what must happen though nobody asks for it.

Executions whose DAG run ended without a verdict get one; finished pods and old runs are removed. Wiring only.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG
from airflow.timetables.trigger import DeltaTriggerTimetable

from gauntlet_airflow.operators.housekeeping import Reconcile, RetirePods, RetireRuns

with DAG(
    dag_id="housekeeping",
    description="Reconciles executions with their DAG runs; removes finished pods and old runs",
    doc_md=__doc__,
    schedule=DeltaTriggerTimetable(timedelta(minutes=5)),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "gauntlet", "retries": 1},
    tags=["gauntlet", "housekeeping"],
) as dag:
    Reconcile(task_id="reconcile") >> RetirePods(task_id="retire_pods") >> RetireRuns(task_id="retire_runs")
