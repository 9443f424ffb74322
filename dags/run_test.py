"""Airflow DAG ``run_test``: runs a suite that is given when it is triggered.

The door for the API, for ``gauntlet run FILE`` and for the form in Airflow's UI. Wiring only.
"""

from __future__ import annotations

import airflow.providers.cncf.kubernetes.operators.pod  # noqa: F401  (imported before the processor forks)

from gauntlet_airflow.graphs.suite import triggered_suite_dag

EXAMPLE = """\
kind: TestSuite
name: my first suite
type: pytest
content:
  type: inline
  language: python
  script: |
    def test_one_and_one():
        assert 1 + 1 == 2
config:
  parallelism: 1
"""

dag = triggered_suite_dag(dag_id="run_test", example=EXAMPLE, doc_md=__doc__ or "")
