"""Whether a component is of use, told from what it says itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gauntlet.local import health, ports

BEAT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def document(status: str = "healthy", beat: str | None = BEAT.isoformat()) -> dict[str, Any]:
    return {
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": status, "latest_scheduler_heartbeat": beat},
    }


def test_a_heartbeat_since_the_start_is_health() -> None:
    assert health.problem_of_job(document(), "scheduler", BEAT.timestamp() - 1) is None


def test_a_predecessors_heartbeat_does_not_count() -> None:
    problem = health.problem_of_job(document(), "scheduler", BEAT.timestamp() + 1)
    assert problem == "no heartbeat since its start"


@pytest.mark.parametrize("answer", [document("unhealthy"), document(beat=None), {"metadatabase": {}}, "no answer"])
def test_everything_else_is_a_problem(answer: dict[str, Any] | str) -> None:
    assert health.problem_of_job(answer, "scheduler", 0.0)


def test_a_server_that_is_not_there_is_a_problem_with_its_address() -> None:
    url = f"http://127.0.0.1:{ports.any_free()}/readyz"
    problem = health.http_ok(url)
    assert problem is not None
    assert url in problem


def test_the_api_server_is_of_no_use_without_its_database() -> None:
    assert health.problem_of_api_server(document()) is None
    assert health.problem_of_api_server({"metadatabase": {"status": "unhealthy"}}) == "Airflow's database is unhealthy"
