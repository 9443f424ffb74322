"""Which verdict follows from which results."""

from __future__ import annotations

import pytest

from gauntlet.runs.states import ShardStatus, State
from gauntlet.testing.results.model import Counts, ShardResult
from gauntlet.testing.results.verdict import Obstacle, judge

GREEN = Counts(tests=3, passed=2, skipped=1)


def shard(index: int, status: ShardStatus, cause: str = "", message: str = "") -> ShardResult:
    return ShardResult(index, status, cause, message)


def test_a_run_in_which_every_case_passed_or_was_skipped_is_completed() -> None:
    verdict = judge([shard(0, ShardStatus.PASSED)], GREEN)
    assert (verdict.state, verdict.exit_code, verdict.reason) == (State.COMPLETED, 0, "2 tests passed, 1 skipped")


def test_flaky_passes_are_named_and_still_pass() -> None:
    verdict = judge([shard(0, ShardStatus.PASSED)], Counts(tests=4, passed=4, flaky=1))
    assert (verdict.exit_code, verdict.reason) == (0, "4 tests passed (1 only when tried again)")


@pytest.mark.parametrize("counts", [Counts(tests=2, passed=1, failed=1), Counts(tests=2, passed=1, errors=1)])
def test_a_failure_or_an_error_of_a_test_fails_the_run(counts: Counts) -> None:
    verdict = judge([shard(0, ShardStatus.FAILED)], counts)
    assert (verdict.state, verdict.cause, verdict.exit_code) == (State.FAILED, "TestsFailed", 1)


def test_a_lost_shard_fails_the_run_with_its_cause_even_beside_failed_tests() -> None:
    shards = [shard(0, ShardStatus.FAILED), shard(1, ShardStatus.LOST, "OOMKilled", "too much")]
    verdict = judge(shards, Counts(tests=10, passed=5, failed=2, errors=3, not_run=3))
    assert (verdict.state, verdict.cause, verdict.exit_code) == (State.FAILED, "OOMKilled", 2)
    assert verdict.reason == "shard 1 of 2 was lost (OOMKilled: too much); 3 of 10 tests were not run; 2 failed"


def test_several_lost_shards_are_counted() -> None:
    shards = [shard(index, ShardStatus.LOST, "Evicted") for index in range(2)]
    verdict = judge(shards, Counts(tests=2, errors=2, not_run=2))
    assert verdict.reason == "2 of 2 shards were lost (shard 0: Evicted); 2 of 2 tests were not run"


def test_a_timeout_comes_before_a_loss_and_a_cancellation_before_both() -> None:
    lost, late = shard(0, ShardStatus.LOST, "PodDeleted"), shard(1, ShardStatus.TIMEOUT, "TimedOut")
    stopped = shard(2, ShardStatus.CANCELLED, "Cancelled")
    counts = Counts(tests=3, errors=3, not_run=3)
    assert judge([lost, late], counts).state is State.TIMEOUT
    assert judge([lost, late], counts).exit_code == 2
    assert judge([lost, late, stopped], counts).state is State.CANCELLED


def test_no_tests_at_all_is_not_a_pass() -> None:
    assert judge([], Counts()).cause == "NoTests"
    assert judge([shard(0, ShardStatus.PASSED)], Counts()).exit_code == 2


def test_planned_cases_that_a_complete_shard_never_reported_are_not_failed_tests() -> None:
    verdict = judge([shard(0, ShardStatus.FAILED)], Counts(tests=5, passed=4, errors=1, not_run=1))
    assert (verdict.cause, verdict.exit_code) == ("CasesMissing", 2)


@pytest.mark.parametrize(
    ("state", "code"), [(State.REJECTED, 3), (State.FAILED, 2), (State.CANCELLED, 2), (State.TIMEOUT, 2)]
)
def test_what_stopped_the_whole_run_decides(state: State, code: int) -> None:
    verdict = judge([shard(0, ShardStatus.PASSED)], GREEN, Obstacle(state, "SomeCause", "because"))
    assert (verdict.state, verdict.cause, verdict.reason, verdict.exit_code) == (state, "SomeCause", "because", code)
