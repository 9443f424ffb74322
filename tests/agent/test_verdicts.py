"""What a run comes to, case by case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.agent.verdicts import Facts, judge_inventory, judge_shard

CALM = Facts(
    exit_code=0,
    cancelled=False,
    timed_out=False,
    timeout_seconds=60,
    spoke=True,
    finished=True,
    stopped="",
    cases=5,
    has_reports=False,
    wanted=5,
)


@pytest.mark.parametrize(
    ("changes", "state", "cause"),
    [
        ({}, "completed", ""),
        ({"exit_code": 1}, "completed", ""),
        ({"exit_code": 2, "stopped": "enough"}, "completed", ""),
        ({"cancelled": True, "timed_out": True}, "cancelled", "Cancelled"),
        ({"timed_out": True}, "timeout", "TimedOut"),
        ({"finished": False, "exit_code": -11}, "completed", "ToolDied"),
        ({"finished": False, "exit_code": 0}, "completed", "ToolDied"),
        ({"finished": False, "exit_code": -9, "cases": 0}, "completed", "ToolDied"),
        ({"finished": False, "exit_code": 4, "cases": 0}, "could-not-run", "ToolFailed"),
        ({"exit_code": 4, "cases": 0, "spoke": False, "finished": False}, "could-not-run", "ToolFailed"),
        ({"exit_code": 5, "cases": 0, "wanted": 0}, "could-not-run", "NoTests"),
        ({"exit_code": 7, "cases": 0, "spoke": False, "finished": False, "has_reports": True}, "completed", ""),
    ],
)
def test_a_shard_is_judged_by_what_it_left(changes: dict[str, object], state: str, cause: str) -> None:
    verdict = judge_shard(CALM._replace(**changes))  # type: ignore[arg-type]
    assert (verdict.state, verdict.cause) == (state, cause)


@pytest.mark.parametrize(
    ("changes", "errors", "state", "cause"),
    [
        ({}, 0, "completed", ""),
        ({"exit_code": 2}, 1, "completed", ""),
        ({"exit_code": 2}, 0, "could-not-run", "CollectionFailed"),
        ({"exit_code": 3}, 0, "could-not-run", "CollectionFailed"),
        ({"exit_code": -11}, 0, "could-not-run", "CollectionFailed"),
        ({"exit_code": 5, "cases": 0}, 0, "could-not-run", "NoTests"),
        ({"exit_code": 0, "cases": 0}, 0, "could-not-run", "NoTests"),
        ({"timed_out": True}, 0, "timeout", "TimedOut"),
        ({"cancelled": True}, 0, "cancelled", "Cancelled"),
    ],
)
def test_an_inventory_is_judged_by_what_it_found(
    changes: dict[str, object], errors: int, state: str, cause: str
) -> None:
    verdict = judge_inventory(CALM._replace(**changes), errors)  # type: ignore[arg-type]
    assert (verdict.state, verdict.cause) == (state, cause)


@given(
    st.builds(
        Facts,
        exit_code=st.one_of(st.none(), st.integers(-64, 255)),
        cancelled=st.booleans(),
        timed_out=st.booleans(),
        timeout_seconds=st.floats(1, 10),
        spoke=st.booleans(),
        finished=st.booleans(),
        stopped=st.sampled_from(["", "enough"]),
        cases=st.integers(0, 3),
        has_reports=st.booleans(),
        wanted=st.integers(0, 3),
    )
)
def test_whatever_did_not_complete_has_a_cause_and_a_sentence(facts: Facts) -> None:
    for verdict in (judge_shard(facts), judge_inventory(facts, 0)):
        assert verdict.state == "completed" or (verdict.cause and verdict.message)
        assert bool(verdict.cause) == bool(verdict.message)
