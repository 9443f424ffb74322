"""Where the timeline's bars lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.runs.states import ShardStatus
from gauntlet.testing.results.model import AttemptResult, ShardResult
from gauntlet.testing.results.reports.timeline import timeline

SECONDS = st.floats(min_value=0, max_value=100_000)


def shard(*attempts: AttemptResult) -> ShardResult:
    return ShardResult(0, ShardStatus.PASSED, attempts=attempts)


def test_phases_lie_one_after_the_other_on_a_common_axis() -> None:
    first = AttemptResult(
        1, "completed", started_at=100, finished_at=120, phases={"fetch": 2, "environment": 3, "run": 10, "upload": 5}
    )
    late = AttemptResult(1, "completed", started_at=110, finished_at=140, phases={"run": 30})
    rows = timeline([shard(first), shard(late)]).rows
    assert [(bar.phase, bar.left, bar.width) for bar in rows[0].bars] == [
        ("prepare", 0.0, 12.5),
        ("run", 12.5, 25.0),
        ("upload", 37.5, 12.5),
    ]
    assert [(bar.phase, bar.left, bar.width) for bar in rows[1].bars] == [("run", 25.0, 75.0)]


def test_an_attempt_that_died_is_one_broken_bar() -> None:
    died = AttemptResult(1, "died", "OOMKilled", started_at=100, finished_at=110, phases={"run": 3})
    [row] = timeline([shard(died)]).rows
    assert [(bar.phase, bar.width) for bar in row.bars] == [("broken", 100.0)]
    assert "OOMKilled" in row.bars[0].label


def test_without_known_times_there_is_nothing_to_draw() -> None:
    assert timeline([shard(AttemptResult(1, "died"))]).rows == ()
    assert timeline([]).rows == ()


@given(st.lists(st.tuples(SECONDS, SECONDS, SECONDS, SECONDS, SECONDS), min_size=1, max_size=6))
def test_whatever_the_clocks_say_all_bars_lie_within_the_axis(times: list[tuple[float, ...]]) -> None:
    attempts = [
        AttemptResult(
            1,
            "completed",
            started_at=1 + start,
            finished_at=1 + start + lasted,
            phases={"fetch": fetch, "run": run, "upload": upload},
        )
        for start, lasted, fetch, run, upload in times
    ]
    drawn = timeline([shard(attempt) for attempt in attempts])
    assert len(drawn.ticks) <= 11
    for row in drawn.rows:
        for bar in row.bars:
            assert -0.001 <= bar.left <= bar.left + bar.width <= 100.001
    assert all(tick.left <= 100.001 for tick in drawn.ticks)


@pytest.mark.parametrize(
    ("span", "labels"),
    [(0.5, ["0.0 s", "0.1 s"]), (50, ["0 s", "10 s"]), (150, ["0 s", "30 s", "1:00"]), (30_000, ["0 s", "1 h 00"])],
)
def test_ticks_are_round(span: float, labels: list[str]) -> None:
    attempt = AttemptResult(1, "completed", started_at=100, finished_at=100 + span)
    assert [tick.label for tick in timeline([shard(attempt)]).ticks][: len(labels)] == labels
