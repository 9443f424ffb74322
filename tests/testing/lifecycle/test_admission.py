"""A run is admitted with a snapshot, or rejected with every reason; asking twice changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gauntlet.runs.states import State
from gauntlet.settings import Settings
from gauntlet.storage import executions, layout
from gauntlet.storage.executions import Execution
from gauntlet.testing.lifecycle.admission import Answer, Request, admit
from gauntlet.testing.lifecycle.installation import store, transaction

SUITE: dict[str, Any] = {
    "kind": "TestSuite",
    "name": "shop",
    "type": "pytest",
    "content": {"type": "package", "package": "networkx"},
    "config": {"parallelism": 2},
}


def request(definition: object = None, document: object = None, overrides: object = None) -> Request:
    return Request(
        dag_id="run_test",
        run_id="r1",
        submitter="ada",
        document=json.dumps(document) if document is not None else "",
        definition=json.dumps(definition) if definition is not None else "",
        overrides=json.dumps(overrides or {}),
    )


def execution(answer: Answer) -> Execution:
    with transaction() as connection:
        return executions.get(connection, answer.execution)


pytestmark = pytest.mark.usefixtures("installed")


def test_a_good_definition_is_snapshotted_in_the_row_and_in_the_store() -> None:
    answer = admit(request(definition=SUITE))
    found = execution(answer)
    assert (answer.refusal, found.state, found.submitted_by, found.priority) == ("", State.SCHEDULED, "ada", 5)
    assert json.loads(store().read(layout.definition(answer.execution)))["name"] == "shop"


def test_yaml_text_does_as_well_as_an_object() -> None:
    answer = admit(
        request(definition="kind: TestSuite\nname: shop\ntype: pytest\ncontent: {type: package, package: x}\n")
    )
    assert execution(answer).name == "shop"


def test_asking_again_is_the_same_execution() -> None:
    assert admit(request(definition=SUITE)) == admit(request(definition=SUITE))


def test_a_wrong_definition_is_rejected_with_every_problem() -> None:
    answer = admit(request(definition={**SUITE, "typ": 1, "priority": 99}))
    found = execution(answer)
    assert (found.state, found.exit_code, found.failure_cause) == (State.REJECTED, 3, "Refused")
    assert "typ" in found.failure_reason
    assert "priority" in found.failure_reason


def test_what_is_valid_but_cannot_run_here_is_rejected_with_what_to_do() -> None:
    answer = admit(request(definition={**SUITE, "type": "k6"}))
    assert execution(answer).failure_cause == "NotRunnable"
    assert "no adapter runs suites of type k6" in answer.refusal


def test_the_form_changes_only_what_a_person_changed() -> None:
    document = {**SUITE, "priority": 3, "config": {"parallelism": 2, "timeout": 60}}
    answer = admit(request(document=document, overrides={"parallelism": 7, "timeout": 60, "priority": 3}))
    found = execution(answer)
    assert found.definition["config"]["parallelism"] == 7
    assert found.definition["config"]["timeout"] == 60
    assert found.priority == 3


def test_a_value_of_the_form_that_is_out_of_bounds_is_rejected() -> None:
    answer = admit(request(document=SUITE, overrides={"parallelism": 5000}))
    assert "config.parallelism" in answer.refusal


def test_a_folder_outside_of_the_folders_that_may_be_sent_is_rejected(installed: Settings) -> None:
    answer = admit(request(definition={**SUITE, "content": {"type": "folder", "folder": "/etc"}}))
    assert "GAUNTLET_FOLDER_ROOTS" in answer.refusal


def test_what_the_submitter_saw_counts_and_not_what_the_dag_embeds() -> None:
    from gauntlet.runs.ids import new_execution_id
    from gauntlet.storage.executions import NewExecution

    seen = {**SUITE, "config": {"parallelism": 9}}
    with transaction() as connection:
        executions.create(
            connection,
            NewExecution(
                execution_id=new_execution_id(),
                kind="TestSuite",
                name="shop",
                definition=seen,
                dag_id="run_test",
                run_id="r1",
            ),
        )
    answer = admit(request(document=SUITE))
    assert execution(answer).definition["config"]["parallelism"] == 9


def test_a_finished_run_that_is_cleared_is_scheduled_again() -> None:
    answer = admit(request(definition=SUITE))
    with transaction() as connection:
        executions.conclude(connection, answer.execution, State.FAILED, cause="X", exit_code=1)
    admit(request(definition=SUITE))
    found = execution(answer)
    assert (found.state, found.verdict, found.retry_count) == (State.SCHEDULED, None, 1)
