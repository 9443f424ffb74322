"""A suite takes the mission's fields and refuses what could not run or would leak."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gauntlet.testing.suite import TestSuite, cpu_cores, memory_bytes


def suite(**fields: Any) -> TestSuite:
    base = {
        "kind": "TestSuite",
        "name": "x",
        "type": "pytest",
        "content": {"type": "package", "package": "networkx"},
    }
    return TestSuite.model_validate(base | fields)


def test_the_missions_example_is_taken_as_it_stands() -> None:
    taken = TestSuite.model_validate(
        {
            "kind": "TestSuite",
            "name": "API Regression Test Suite",
            "type": "postman",
            "content": {
                "type": "git",
                "repository": "https://github.com/company/tests.git",
                "branch": "main",
                "path": "api-tests/collection.json",
            },
            "resources": {
                "cpuRequest": "500m",
                "cpuLimit": "1000m",
                "memoryRequest": "512Mi",
                "memoryLimit": "1Gi",
            },
            "config": {
                "parallelism": 10,
                "timeout": 3600,
                "retryPolicy": {"maxRetries": 3, "backoffSeconds": 30, "backoffStrategy": "exponential"},
                "env": {"API_BASE_URL": "https://staging.example.com", "API_KEY": "${secrets.api_key}"},
            },
            "labels": {"team": "backend", "environment": "staging"},
            "priority": 1,
        }
    )
    assert taken.config.retry_policy.max_retries == 3
    assert taken.environment()["API_KEY"] == "${secrets.api_key}"


def test_the_configs_variables_win_over_the_suites() -> None:
    assert suite(env={"A": "1", "B": "1"}, config={"env": {"B": "2"}}).environment() == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"config": {"parallelism": 0}}, "greater than or equal to 1"),
        ({"config": {"parallelism": 10_000}}, "less than or equal to 1000"),
        ({"config": {"timeout": 0}}, "greater than or equal to 1"),
        ({"config": {"args": ["--token=${secrets.t}"]}}, "no secret in an argument"),
        ({"config": {"env": {"A": "${secrets.a b}"}}}, "a reference such as"),
        ({"config": {"env": {"1A": "x"}}}, "variable names of letters"),
        ({"config": {"env": {"PYTHONPATH": "x"}}}, "a variable of your own"),
        ({"config": {"artifacts": ["../../*"]}}, "below the working folder"),
        (
            {"config": {"volumes": [{"name": "v", "mountPath": "/gauntlet/x", "emptyDir": {}}]}},
            "a mountPath other than",
        ),
        ({"config": {"volumes": [{"name": "v", "mountPath": "/x"}]}}, "exactly one of"),
        ({"resources": {"memoryRequest": "2Gi", "memoryLimit": "1Gi"}}, "at or above memoryRequest"),
        ({"resources": {"cpuRequest": "0"}}, "above zero"),
        ({"content": {"type": "package", "package": "a b"}}, "a package's name"),
        ({"content": {"type": "package", "package": "a", "path": "../x"}}, "a path inside the content"),
        ({"content": {"type": "package", "package": "a", "dependencies": ["--index-url=x"]}}, "a requirement such as"),
        ({"content": {"type": "artifact", "artifactUrl": "gopher://x"}}, "begins with https://"),
        ({"content": {"type": "git", "repository": "https://x/y", "branch": "a", "tag": "b"}}, "at most one of"),
        ({"labels": {"team": "a b"}}, "Kubernetes label"),
        ({"schedule": "every day"}, "a cron expression of five fields"),
        ({"timezone": "Mars/Olympus"}, "an IANA time zone"),
        ({"name": "a\nb"}, "without control characters"),
        ({"tags": ["a", "a"]}, "each tag once"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        suite(**fields)


def test_a_number_of_cores_needs_no_quotes() -> None:
    assert suite(resources={"cpuRequest": 2}).resources.cpu_request == "2"


@pytest.mark.parametrize(("quantity", "cores"), [("500m", 0.5), ("2", 2.0), ("0.25", 0.25)])
def test_cpu_quantities_are_cores(quantity: str, cores: float) -> None:
    assert cpu_cores(quantity) == cores


@pytest.mark.parametrize(("quantity", "count"), [("512Mi", 2**29), ("1Gi", 2**30), ("1G", 10**9), ("100", 100)])
def test_memory_quantities_are_bytes(quantity: str, count: int) -> None:
    assert memory_bytes(quantity) == count
