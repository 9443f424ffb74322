"""An execution moves only along the table of states, and its status never contradicts its state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.runs.states import (
    TRANSITIONS,
    VERDICTS,
    ImpossibleTransitionError,
    State,
    Status,
    check_transition,
    status_of,
)

STATES = st.sampled_from(State)


def reachable(start: State) -> set[State]:
    found, frontier = {start}, [start]
    while frontier:
        for following in TRANSITIONS[frontier.pop()] - found:
            found.add(following)
            frontier.append(following)
    return found


def test_every_state_has_its_row_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State)


def test_every_state_can_be_reached_by_a_submission() -> None:
    assert reachable(State.SUBMITTED) == set(State)


@given(STATES)
def test_from_every_state_that_is_no_end_a_verdict_can_be_reached(state: State) -> None:
    assert reachable(state) & VERDICTS


@given(STATES, STATES)
def test_a_change_is_allowed_exactly_when_the_table_has_it(current: State, target: State) -> None:
    if target in TRANSITIONS[current]:
        check_transition(current, target)
    else:
        with pytest.raises(ImpossibleTransitionError, match=f"from {current} to {target}"):
            check_transition(current, target)


@given(st.sampled_from(sorted(VERDICTS)))
def test_a_verdict_is_a_status_of_the_same_name(verdict: State) -> None:
    assert status_of(verdict, None) == verdict.value


@given(st.sampled_from(sorted(VERDICTS)))
def test_cleaning_up_does_not_change_what_the_doors_say(verdict: State) -> None:
    assert status_of(State.CLEANUP, verdict) == status_of(State.ARCHIVED, verdict) == Status(verdict.value)


def test_a_rejected_execution_is_never_tried_again() -> None:
    assert TRANSITIONS[State.REJECTED] == frozenset()
