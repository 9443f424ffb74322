"""The graph of a suite's run.

::

    admit → inventory → plan → run_shard[…] → aggregate → notify → release

``admit`` is the setup, the last three are its teardowns: they run whatever happened in between. The colour of the
DAG run is ``aggregate``'s. The wiring is the one that gives the right colour in every case that was tried: green,
red, plan failed, shard failed, cancelled while waiting, cancelled in the middle, cleared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import DAG, Param
from airflow.timetables.trigger import CronTriggerTimetable

from gauntlet_airflow.operators.admit import Admit
from gauntlet_airflow.operators.aggregate import Aggregate
from gauntlet_airflow.operators.plan import Plan
from gauntlet_airflow.operators.pods import ByCause, InventoryPod, ShardPod
from gauntlet_airflow.operators.wrap_up import Notify, Release

# Runs are limited by admission, not by Airflow: a waiting DagRun would slow down all others.
_RUNS = 10_000
_TASKS = 200
# The policy decides whether a death is worth another attempt; Airflow's own number only must not be in its way.
_RETRIES = 10


def suite_dag(*, dag_id: str, source: str, scheduled: bool, definition: Mapping[str, Any]) -> DAG:
    """The DAG of a suite in a file.

    :param dag_id: from the file's path.
    :param source: the file's path, for people.
    :param scheduled: False to leave the schedule out.
    :param definition: the suite's complete document.
    """
    config = definition["config"]
    params = {
        "parallelism": Param(config["parallelism"], type="integer", minimum=1, maximum=1000, title="Shards"),
        "timeout": Param(config["timeout"], type="integer", minimum=1, title="Seconds a shard's tests may take"),
        "priority": Param(definition["priority"], type="integer", minimum=0, maximum=9, title="Priority (0 first)"),
    }
    return _dag(
        dag_id=dag_id,
        schedule=_schedule(definition) if scheduled else None,
        description=definition["description"] or f"Suite {definition['name']}",
        doc_md=_documentation(definition, source),
        tags=["gauntlet", "suite", definition["type"], *definition["tags"]],
        params=params,
        owner=definition["owner"] or definition["labels"].get("team", ""),
        document=dict(definition),
        definition_template="",
        overrides_template="{{ params | tojson }}",
    )


def triggered_suite_dag(*, dag_id: str, example: str, doc_md: str) -> DAG:
    """The DAG that runs whatever definition it is given: the door for the API, the command line and the form.

    :param example: the text the form begins with.
    """
    params = {
        "definition": Param(
            example,
            type=["string", "object"],
            format="multiline",
            title="Definition",
            description="A TestSuite, as YAML text or as a JSON object.",
        )
    }
    return _dag(
        dag_id=dag_id,
        schedule=None,
        description="Runs a definition that is given when it is triggered",
        doc_md=doc_md,
        tags=["gauntlet", "suite"],
        params=params,
        document=None,
        definition_template="{{ params.definition | tojson }}",
        overrides_template="{}",
    )


def _dag(
    *,
    document: dict[str, Any] | None,
    owner: str = "",
    definition_template: str,
    overrides_template: str,
    **dag_arguments: Any,
) -> DAG:
    with DAG(
        **dag_arguments,
        catchup=False,
        max_active_runs=_RUNS,
        max_active_tasks=_TASKS,
        # Once admitted, runs are finished before others are begun.
        default_args={"owner": owner or "gauntlet", "weight_rule": "upstream", "retries": 5, "retry_delay": 5},
    ) as dag:
        admit = Admit(
            task_id="admit",
            document=document,
            definition=definition_template,
            overrides=overrides_template,
            retries=0,
        )
        inventory = InventoryPod(task_id="inventory", retries=_RETRIES, retry_policy=ByCause())
        plan = Plan(task_id="plan")
        run_shard = ShardPod.partial(
            task_id="run_shard",
            retries=_RETRIES,
            retry_policy=ByCause(),
            map_index_template="shard {{ task.shard }}",
        ).expand(shard=plan.output)
        aggregate = Aggregate(task_id="aggregate").as_teardown(setups=admit, on_failure_fail_dagrun=True)
        admit >> inventory >> plan >> run_shard >> aggregate
        notify = Notify(task_id="notify").as_teardown(setups=admit)
        release = Release(task_id="release").as_teardown(setups=admit)
        aggregate >> notify >> release
    return dag


def _schedule(definition: Mapping[str, Any]) -> CronTriggerTimetable | None:
    if not definition["schedule"]:
        return None
    return CronTriggerTimetable(definition["schedule"], timezone=definition["timezone"])


def _documentation(definition: Mapping[str, Any], source: str) -> str:
    content = {name: value for name, value in definition["content"].items() if value not in (None, "", [], {})}
    lines = [
        f"# {definition['name']}",
        "",
        definition["doc"] or definition["description"],
        "",
        f"Defined in `include/{source}`, a {definition['type']} suite of "
        f"{definition['config']['parallelism']} shard(s), priority {definition['priority']}.",
        "",
        *(f"- {name}: `{value}`" for name, value in content.items()),
    ]
    return "\n".join(lines)
