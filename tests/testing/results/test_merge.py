"""What the merge promises: each case once, none lost, the cause of every death kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gauntlet.agent import contract
from gauntlet.runs.states import CaseStatus, ShardStatus
from gauntlet.testing.planning.shards import CaseToRun, Shard
from gauntlet.testing.results.merge import Interruption, Merged, merge
from gauntlet.testing.results.model import Attempt, CaseResult, Counts, Death


def case(case_id: str, status: str = "passed", message: str = "") -> contract.Case:
    return contract.Case(
        id=case_id,
        name=case_id,
        classname="pkg",
        file="pkg.py",
        status=status,
        duration_ms=5.0,
        message=message,
    )


def manifest(
    shard: int, attempt: int, cases: tuple[contract.Case, ...], state: str = contract.COMPLETED, cause: str = ""
) -> contract.Manifest:
    return contract.Manifest(
        kind="shard",
        execution="exec-000000000000",
        shard=shard,
        attempt=attempt,
        state=state,
        exit_code=0,
        started_at=100.0,
        finished_at=110.0,
        counts=contract.Counts(total=len(cases)),
        cause=cause,
        message="so it was" if cause else "",
        pod=f"pod-{shard}-{attempt}",
        node="node-1",
        phases={"prepare": 1.0, "run": 8.0, "upload": 1.0},
        cpu_seconds=2.5,
        max_memory_bytes=1000 * attempt,
    )


def attempt(
    shard: int, number: int, *cases: contract.Case, state: str = contract.COMPLETED, cause: str = ""
) -> Attempt:
    return Attempt(shard, number, manifest(shard, number, cases, state, cause), cases)


def dead(shard: int, number: int, *cases: contract.Case, cause: str = "OOMKilled") -> Attempt:
    death = Death(cause, "used 300 MiB of 256 MiB", f"pod-{shard}-{number}", "node-1")
    return Attempt(shard, number, None, cases, death)


def plan(*shards: str) -> list[Shard]:
    return [Shard(index, tuple(ids.split()), None) for index, ids in enumerate(shards)]


def by_id(merged: Merged) -> dict[str, CaseResult]:
    return {result.id: result for result in merged.cases}


def test_complete_shards_give_each_case_once_in_the_plan_s_order() -> None:
    merged = merge("s", plan("a b", "c"), [attempt(1, 1, case("c")), attempt(0, 1, case("b"), case("a"))])
    assert [result.id for result in merged.cases] == ["a", "b", "c"]
    assert [shard.status for shard in merged.shards] == [ShardStatus.PASSED, ShardStatus.PASSED]
    assert [result.shard for result in merged.cases] == [0, 0, 1]
    assert merged.warnings == ()


def test_a_shard_with_a_failed_case_failed() -> None:
    merged = merge("s", plan("a b"), [attempt(0, 1, case("a"), case("b", "failed", "no"))])
    assert merged.shards[0].status is ShardStatus.FAILED
    assert by_id(merged)["b"].message == "no"


def test_a_lost_shard_keeps_what_it_reported_and_its_other_cases_say_why_they_were_not_run() -> None:
    inventory = {"t.py::C::c[x::y]": CaseToRun("t.py::C::c[x::y]", "t.py")}
    merged = merge(
        "s", plan("a", "b t.py::C::c[x::y]"), [attempt(0, 1, case("a")), dead(1, 1, case("b"))], inventory=inventory
    )
    assert [shard.status for shard in merged.shards] == [ShardStatus.PASSED, ShardStatus.LOST]
    assert merged.shards[1].cause == "OOMKilled"
    assert (merged.shards[1].pod, merged.shards[1].node) == ("pod-1-1", "node-1")
    missing = by_id(merged)["t.py::C::c[x::y]"]
    assert missing.status is CaseStatus.ERROR
    assert missing.message == "not run: shard 1 was lost (OOMKilled: used 300 MiB of 256 MiB)"
    assert (missing.name, missing.file, missing.ran) == ("c[x::y]", "t.py", False)
    assert by_id(merged)["b"].status is CaseStatus.PASSED


def test_a_shard_that_died_and_then_completed_counts_the_complete_attempt_alone() -> None:
    merged = merge("s", plan("a b"), [dead(0, 1, case("a")), attempt(0, 2, case("a"), case("b"))])
    assert merged.shards[0].status is ShardStatus.PASSED
    assert Counts.of(merged.cases) == Counts(tests=2, passed=2)
    assert [tried.state for tried in merged.shards[0].attempts] == ["died", "completed"]
    assert by_id(merged)["a"].attempts == 2
    assert not by_id(merged)["a"].flaky


def test_failed_first_and_passed_when_tried_again_is_passed_and_flaky() -> None:
    first = attempt(0, 1, case("a"), case("b", "failed", "unlucky"))
    merged = merge("s", plan("a b"), [first, attempt(0, 2, case("b"))])
    assert merged.shards[0].status is ShardStatus.PASSED
    result = by_id(merged)["b"]
    assert (result.status, result.flaky, result.attempts) == (CaseStatus.PASSED, True, 2)
    assert [(rerun.attempt, rerun.message) for rerun in result.reruns] == [(1, "unlucky")]
    assert by_id(merged)["a"].status is CaseStatus.PASSED


def test_failed_twice_is_failed_and_not_flaky() -> None:
    merged = merge("s", plan("a"), [attempt(0, 1, case("a", "failed", "1")), attempt(0, 2, case("a", "failed", "2"))])
    result = by_id(merged)["a"]
    assert (result.status, result.flaky, result.message, len(result.reruns)) == (CaseStatus.FAILED, False, "2", 1)


def test_an_attempt_that_died_after_a_complete_one_takes_nothing_away() -> None:
    merged = merge("s", plan("a b"), [attempt(0, 1, case("a"), case("b", "failed")), dead(0, 2, case("b"))])
    assert merged.shards[0].status is ShardStatus.FAILED
    assert by_id(merged)["b"].status is CaseStatus.FAILED


def test_a_shard_that_only_ever_died_keeps_results_of_all_its_attempts() -> None:
    merged = merge("s", plan("a b c"), [dead(0, 1, case("a"), case("b")), dead(0, 2, case("a", "failed"))])
    assert [(result.id, result.status.value) for result in merged.cases] == [
        ("a", "failed"),
        ("b", "passed"),
        ("c", "error"),
    ]


def test_a_shard_that_timed_out_is_a_timeout_by_manifest_or_by_death() -> None:
    inside = attempt(0, 1, case("a"), state=contract.TIMED_OUT, cause="TimedOut")
    merged = merge("s", plan("a b", "c"), [inside, dead(1, 1, cause="DeadlineExceeded")])
    assert [shard.status for shard in merged.shards] == [ShardStatus.TIMEOUT, ShardStatus.TIMEOUT]
    assert by_id(merged)["b"].message == "not run: shard 0 timed out (TimedOut: so it was)"


def test_a_preparation_that_failed_is_a_lost_shard_with_its_cause() -> None:
    merged = merge("s", plan("a"), [attempt(0, 1, state=contract.COULD_NOT_RUN, cause="EnvironmentFailed")])
    assert (merged.shards[0].status, merged.shards[0].cause) == (ShardStatus.LOST, "EnvironmentFailed")


def test_a_deleted_pod_is_cancelled_only_when_the_run_was() -> None:
    found = [attempt(0, 1, case("a"), state=contract.CANCELLED), dead(1, 1, cause="PodDeleted")]
    shards = plan("a b", "c", "d")
    alone = merge("s", shards, found)
    assert [(shard.status.value, shard.cause) for shard in alone.shards] == [
        ("lost", "PodDeleted"),
        ("lost", "PodDeleted"),
        ("lost", "NotStarted"),
    ]
    cancelled = Interruption(ShardStatus.CANCELLED, "Cancelled", "by ann")
    together = merge("s", shards, found, interruption=cancelled)
    assert {shard.status for shard in together.shards} == {ShardStatus.CANCELLED}
    assert by_id(together)["d"].message == "not run: shard 2 was cancelled (Cancelled: by ann)"


def test_a_cancellation_does_not_hide_a_shard_that_had_run_out_of_memory() -> None:
    merged = merge("s", plan("a"), [dead(0, 1)], interruption=Interruption(ShardStatus.CANCELLED, "Cancelled"))
    assert (merged.shards[0].status, merged.shards[0].cause) == (ShardStatus.LOST, "OOMKilled")


def test_a_case_that_the_agent_never_came_to_counts_as_not_run() -> None:
    never = replace(case("b", "error", "not run: the time limit was reached"), ran=False)
    merged = merge("s", plan("a b"), [attempt(0, 1, case("a"), never)])
    assert by_id(merged)["b"].attempts == 0
    assert Counts.of(merged.cases).not_run == 1


def test_several_results_of_one_id_are_all_kept_and_numbered() -> None:
    merged = merge("s", plan("a"), [attempt(0, 1, case("a"), case("a", "failed"))])
    assert [(result.occurrence, result.status.value) for result in merged.cases] == [(1, "passed"), (2, "failed")]


def test_a_result_that_was_not_planned_is_kept_and_one_of_another_shard_is_not_counted_twice() -> None:
    found = [attempt(0, 1, case("a"), case("b"), case("new")), attempt(1, 1, case("b"))]
    merged = merge("s", plan("a", "b"), found)
    assert [(result.id, result.shard) for result in merged.cases] == [("a", 0), ("new", 0), ("b", 1)]
    assert "shard 0 also reported 1 cases of other shards, such as b" in merged.warnings[0]


def test_a_shard_without_planned_ids_takes_all_that_its_command_ran() -> None:
    merged = merge("s", [Shard(0, (), None)], [attempt(0, 1, case("x"), case("y"))])
    assert [result.id for result in merged.cases] == ["x", "y"]


def test_results_that_cannot_be_read_are_warned_about_and_become_errors() -> None:
    short = Attempt(0, 1, manifest(0, 1, (case("a"), case("b"))), (case("a"),), warnings=("cases/2.jsonl:7: no JSON",))
    merged = merge("s", plan("a b"), [short])
    assert merged.warnings == (
        "shard 0, attempt 1: cases/2.jsonl:7: no JSON",
        "shard 0, attempt 1: its manifest counts 2 cases, 1 could be read",
    )
    assert by_id(merged)["b"].message == "not run: shard 0 completed without a result for it"


def test_resource_use_and_times_of_attempts_are_kept() -> None:
    merged = merge("s", plan("a"), [attempt(0, 1, case("a", "failed")), attempt(0, 2, case("a"))])
    shard = merged.shards[0]
    assert (shard.cpu_seconds, shard.max_memory_bytes, shard.duration_ms) == (5.0, 2000, 10_000.0)
    assert shard.attempts[0].phases == {"prepare": 1.0, "run": 8.0, "upload": 1.0}


STATUSES = st.sampled_from(["passed", "failed", "error", "skipped"])
ENDINGS = st.sampled_from(["completed", "timeout", "could-not-run", "cancelled", "died", "nothing"])


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[Shard], list[Attempt]]:
    total = draw(st.integers(1, 12))
    width = draw(st.integers(1, 4))
    ids = [f"t{number}" for number in range(total)]
    shards = [Shard(index, tuple(ids[index::width]), None) for index in range(min(width, total))]
    attempts = []
    for shard in shards:
        for number in range(1, draw(st.integers(0, 3)) + 1):
            reached = draw(st.lists(st.sampled_from(shard.case_ids), unique=True))
            cases = tuple(case(case_id, draw(STATUSES)) for case_id in reached)
            ending = draw(ENDINGS)
            if ending == "died":
                attempts.append(dead(shard.index, number, *cases))
            elif ending == "nothing":
                attempts.append(Attempt(shard.index, number, None, cases))
            else:
                attempts.append(attempt(shard.index, number, *cases, state=ending))
    return shards, attempts


@given(runs())
def test_whatever_dies_each_planned_case_is_there_once(run: tuple[list[Shard], list[Attempt]]) -> None:
    shards, attempts = run
    merged = merge("s", shards, attempts)
    assert Counter(result.id for result in merged.cases) == Counter(
        case_id for shard in shards for case_id in shard.case_ids
    )
    for shard in merged.shards:
        assert shard.counts == Counts.of(result for result in merged.cases if result.shard == shard.index)
        assert (shard.cause == "") == (shard.status in (ShardStatus.PASSED, ShardStatus.FAILED))
        assert shard.status is not ShardStatus.PASSED or not (shard.counts.failed or shard.counts.errors)


@given(runs())
def test_the_order_in_which_attempts_are_found_changes_nothing(run: tuple[list[Shard], list[Attempt]]) -> None:
    shards, attempts = run
    assert merge("s", shards, attempts) == merge("s", shards, list(reversed(attempts)))
