"""Every run has one identity, however often a task of it is tried."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from gauntlet.runs.ids import execution_id_of_dag_run, is_public_id, new_execution_id, public_id


@given(st.uuids())
def test_the_public_id_is_the_beginning_of_the_uuid(execution: uuid.UUID) -> None:
    shown = public_id(execution)
    assert is_public_id(shown)
    assert execution.hex.startswith(shown.removeprefix("exec-"))


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_dag_run_has_the_same_identity_every_time(dag_id: str, run_id: str) -> None:
    assert execution_id_of_dag_run(dag_id, run_id) == execution_id_of_dag_run(dag_id, run_id)


def test_two_submissions_are_two_executions() -> None:
    assert new_execution_id() != new_execution_id()


def test_other_texts_are_no_public_ids() -> None:
    assert not any(map(is_public_id, ["", "exec-", "exec-XYZ", "exec-0123456789abc", "x exec-0123456789ab"]))
