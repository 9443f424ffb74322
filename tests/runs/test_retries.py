"""Pauses between attempts grow as the policy says, and never beyond an hour."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.runs.retries import MAX_DELAY_SECONDS, Strategy, delay_seconds


@pytest.mark.parametrize(
    ("strategy", "pauses"),
    [("fixed", [10, 10, 10]), ("linear", [10, 20, 30]), ("exponential", [10, 20, 40])],
)
def test_each_strategy_has_its_pauses(strategy: Strategy, pauses: list[float]) -> None:
    assert [delay_seconds(strategy, backoff_seconds=10, failures=count) for count in (1, 2, 3)] == pauses


@given(
    st.sampled_from(["fixed", "linear", "exponential"]),
    st.floats(min_value=0, max_value=3600),
    st.integers(min_value=1, max_value=10_000),
)
def test_a_pause_is_never_longer_than_an_hour_and_never_shrinks(
    strategy: Strategy, backoff_seconds: float, failures: int
) -> None:
    pause = delay_seconds(strategy, backoff_seconds=backoff_seconds, failures=failures)
    assert 0 <= pause <= MAX_DELAY_SECONDS
    assert pause <= delay_seconds(strategy, backoff_seconds=backoff_seconds, failures=failures + 1)
