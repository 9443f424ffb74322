"""A mistake in one definition, made in the middle of a run, freezes nothing and hides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gauntlet.settings import current

pytestmark = [pytest.mark.slow, pytest.mark.stack]

SUITE = """\
kind: TestSuite
name: {name}
type: pytest
description: waits, so that its definition can be broken meanwhile
tags: [mine]
schedule: "0 3 * * *"
timezone: Europe/Berlin
content:
  type: inline
  script: |
    import time
    def test_slow(): time.sleep({seconds})
resources: {{cpuRequest: 50m, memoryRequest: 64Mi}}
"""


@pytest.fixture
def file(runs: Any, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A definition of this test's own among those of the stack."""
    path = Path(current().definitions_root) / "suites" / f"{request.node.name}.yaml"
    yield path
    path.unlink(missing_ok=True)


def errors(runs: Any) -> dict[str, str]:
    """Import errors by file name."""
    found = runs.airflow._request("GET", "/api/v2/importErrors?limit=100").json()["import_errors"]
    return {error["filename"].rsplit("/", 1)[-1]: error["stack_trace"] for error in found}


def dag(runs: Any, name: str) -> dict[str, Any] | None:
    answer = runs.airflow._request("GET", f"/api/v2/dags/suite__{name}/details", may=(404,))
    return dict(answer.json()) if answer.status_code == 200 else None


def test_a_typo_in_the_middle_of_a_run_has_its_own_error_and_stops_nothing(runs: Any, file: Path) -> None:
    name = file.stem
    file.write_text(SUITE.format(name=name, seconds=25))
    execution = runs.start(file)
    details = dag(runs, name)
    assert details is not None
    assert details["timetable_summary"] == "0 3 * * *"
    assert {"mine", "pytest", "gauntlet"} <= {tag["name"] for tag in details["tags"]}
    assert "waits, so that" in details["description"]
    runs.running_shard(execution)
    file.write_text(SUITE.format(name=name, seconds=25) + "typo: 1\n")
    broken = f"{file.name}.broken.py"
    runs.wait_for(lambda: broken in errors(runs), "the import error")
    assert f"suites/{file.name}:" in errors(runs)[broken]
    assert "typo: found an unknown field" in errors(runs)[broken]
    document = runs.finish(execution)
    assert (document["status"], document["passed"]) == ("completed", 1)
    assert runs.colour(execution) == "success"
    assert dag(runs, "networkx") is not None
    file.write_text(SUITE.format(name=name, seconds=1))
    runs.wait_for(lambda: broken not in errors(runs), "the error's end")


def test_a_deletion_in_the_middle_of_a_run_lets_the_run_end(runs: Any, file: Path) -> None:
    file.write_text(SUITE.format(name=file.stem, seconds=20))
    execution = runs.start(file)
    runs.running_shard(execution)
    file.unlink()
    runs.wait_for(lambda: (dag(runs, file.stem) or {}).get("timetable_summary") is None, "the end of its schedule")
    document = runs.finish(execution)
    assert document["status"] == "completed"
    assert runs.colour(execution) == "success"
