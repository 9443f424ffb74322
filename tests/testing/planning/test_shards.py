"""Each promise of the planner's docstring, as a property or an example."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.testing.planning.shards import CaseToRun, Shard, plan_shards

IDS = st.integers(0, 60)
INVENTORIES = st.lists(
    st.tuples(IDS, st.sampled_from(["a.py", "b.py", "c.py", ""])), max_size=60, unique_by=lambda pair: pair[0]
).map(lambda pairs: [CaseToRun(f"{file}::test_{number}", file) for number, file in pairs])
SECONDS = st.floats(min_value=0, max_value=1000, allow_nan=False)


def histories(cases: list[CaseToRun]) -> st.SearchStrategy[dict[str, float]]:
    if not cases:
        return st.just({})
    return st.dictionaries(st.sampled_from([case.id for case in cases]), SECONDS)


PLANS = INVENTORIES.flatmap(lambda cases: st.tuples(st.just(cases), histories(cases), st.integers(1, 12)))


def load(shard: Shard, durations: dict[str, float]) -> float:
    return sum(durations[case_id] for case_id in shard.case_ids)


@given(PLANS)
def test_each_case_is_in_exactly_one_shard(inputs: tuple[list[CaseToRun], dict[str, float], int]) -> None:
    cases, durations, shards = inputs
    planned = [case_id for shard in plan_shards(cases, durations, shards) for case_id in shard.case_ids]
    assert Counter(planned) == Counter(case.id for case in cases)


@given(PLANS)
def test_no_shard_is_empty_and_there_are_as_many_as_asked_or_as_cases(
    inputs: tuple[list[CaseToRun], dict[str, float], int],
) -> None:
    cases, durations, shards = inputs
    plan = plan_shards(cases, durations, shards)
    assert len(plan) == min(shards, len(cases))
    assert all(shard.case_ids for shard in plan)
    assert [shard.index for shard in plan] == list(range(len(plan)))


@given(PLANS)
def test_the_same_input_gives_the_same_plan(inputs: tuple[list[CaseToRun], dict[str, float], int]) -> None:
    cases, durations, shards = inputs
    reordered = dict(sorted(durations.items(), reverse=True))
    assert plan_shards(cases, durations, shards) == plan_shards(list(cases), reordered, shards)


@given(PLANS)
def test_within_a_shard_the_inventory_s_order_is_kept(
    inputs: tuple[list[CaseToRun], dict[str, float], int],
) -> None:
    cases, durations, shards = inputs
    position = {case.id: index for index, case in enumerate(cases)}
    for shard in plan_shards(cases, durations, shards):
        positions = [position[case_id] for case_id in shard.case_ids]
        assert positions == sorted(positions)


@given(PLANS)
def test_the_longest_shard_is_the_first(inputs: tuple[list[CaseToRun], dict[str, float], int]) -> None:
    expected = [shard.expected_seconds for shard in plan_shards(*inputs)]
    if None not in expected:
        assert expected == sorted(expected, key=lambda seconds: -(seconds or 0.0))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=7), st.integers(1, 3))
def test_the_longest_shard_is_within_four_thirds_of_the_best_possible(seconds: list[int], shards: int) -> None:
    cases = [CaseToRun(f"t{index}", f"{index}.py") for index in range(len(seconds))]
    durations = {case.id: float(value) for case, value in zip(cases, seconds, strict=True)}
    best = min(
        max(
            sum(value for value, owner in zip(seconds, owners, strict=True) if owner == shard)
            for shard in range(shards)
        )
        for owners in itertools.product(range(shards), repeat=len(seconds))
    )
    longest = max(load(shard, durations) for shard in plan_shards(cases, durations, shards))
    assert longest <= best * (4 / 3 - 1 / (3 * shards)) + 1e-9


@given(st.lists(SECONDS, min_size=1, max_size=80), st.integers(1, 8))
def test_a_single_long_file_is_cut_so_that_no_shard_exceeds_the_ideal_by_more_than_a_piece(
    seconds: list[float], shards: int
) -> None:
    cases = [CaseToRun(f"t{index}", "one.py") for index in range(len(seconds))]
    durations = {case.id: value for case, value in zip(cases, seconds, strict=True)}
    ideal = sum(seconds) / shards
    piece = max(*seconds, ideal / 4)
    assert max(load(shard, durations) for shard in plan_shards(cases, durations, shards)) <= ideal + piece + 1e-6


def test_short_files_stay_whole() -> None:
    cases = [CaseToRun(f"{file}::t{number}", f"{file}.py") for file in range(40) for number in range(5)]
    plan = plan_shards(cases, {}, 4)
    for file in range(40):
        holders = [shard.index for shard in plan if any(name.startswith(f"{file}::") for name in shard.case_ids)]
        assert len(holders) == 1


def test_without_any_past_the_cases_are_shared_by_count() -> None:
    plan = plan_shards([CaseToRun(f"t{number}", "f.py") for number in range(100)], {}, 4)
    assert all(20 <= len(shard.case_ids) <= 30 for shard in plan)
    assert [shard.expected_seconds for shard in plan] == [None] * 4


def test_an_unknown_case_counts_as_the_median_of_its_file_before_that_of_all() -> None:
    cases = [CaseToRun(name, file) for name, file in (("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", "c"))]
    plan = plan_shards(cases, {"a1": 10.0, "a2": 20.0, "b1": 1.0}, 1)
    assert plan[0].expected_seconds == pytest.approx(10 + 20 + 15 + 1 + 10)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_a_duration_that_cannot_be_is_treated_as_unknown(bad: float) -> None:
    cases = [CaseToRun("a"), CaseToRun("b")]
    assert plan_shards(cases, {"a": bad, "b": 2.0}, 1)[0].expected_seconds == pytest.approx(4.0)


def test_cases_that_take_no_time_are_still_spread_over_all_shards() -> None:
    cases = [CaseToRun(f"t{number}", f"{number}.py") for number in range(8)]
    plan = plan_shards(cases, {case.id: 0.0 for case in cases}, 4)
    assert [len(shard.case_ids) for shard in plan] == [2, 2, 2, 2]


@pytest.mark.parametrize("second_file", ["a.py", "b.py"])
def test_an_id_that_occurs_twice_stays_in_one_shard(second_file: str) -> None:
    cases = [CaseToRun("same", "a.py"), CaseToRun("other", "a.py"), CaseToRun("same", second_file)]
    plan = plan_shards(cases, {}, 3)
    assert sorted(shard.case_ids for shard in plan) == [("other",), ("same", "same")]


def test_an_empty_inventory_gives_an_empty_plan() -> None:
    assert plan_shards([], {}, 3) == []


def test_less_than_one_shard_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one shard, not 0"):
        plan_shards([CaseToRun("a")], {}, 0)
