"""The JSON report: the document of the command line, with every case in it."""

from __future__ import annotations

import json

from gauntlet.testing.results.model import RunResult
from gauntlet.testing.results.reports.json_report import render_json

SUMMARY = {
    "executionId",
    "kind",
    "name",
    "status",
    "tests",
    "passed",
    "failed",
    "errors",
    "skipped",
    "flaky",
    "durationMs",
    "shards",
    "reports",
    "links",
}
SHARD = {"index", "status", "cause", "pod", "node", "attempts", "tests", "durationMs"}
CASE = {
    "suite",
    "name",
    "classname",
    "file",
    "line",
    "status",
    "flaky",
    "durationMs",
    "message",
    "details",
    "attempts",
    "properties",
    "attachments",
}


def test_it_has_every_field_that_the_command_line_promises(run: RunResult) -> None:
    document = json.loads(render_json(run))
    assert set(document) >= SUMMARY
    assert all(set(shard) >= SHARD for shard in document["shards"])
    assert all(set(case) >= CASE for case in document["cases"])


def test_its_numbers_are_the_run_s(run: RunResult) -> None:
    document = json.loads(render_json(run))
    assert (document["executionId"], document["status"], document["exitCode"]) == ("exec-f3a9c2b177e0", "failed", 2)
    assert [document[name] for name in ("tests", "passed", "failed", "errors", "skipped", "flaky", "notRun")] == [
        6,
        2,
        1,
        2,
        1,
        1,
        1,
    ]
    assert document["durationMs"] == 21_000
    assert document["startedAt"] == "2025-11-21T04:40:00.000Z"
    lost = document["shards"][1]
    assert (lost["status"], lost["cause"], lost["pod"], lost["attempts"], lost["tests"]) == (
        "lost",
        "OOMKilled",
        "pod-1",
        1,
        1,
    )


def test_texts_come_through_unharmed_and_any_encoding_takes_them(run: RunResult) -> None:
    text = render_json(run)
    assert json.loads(text.encode().decode())["cases"][1]["message"] == run.cases[1].message


def test_it_is_one_line(run: RunResult) -> None:
    assert render_json(run).count("\n") == 1
