"""The JUnit report: valid by Jenkins' schema, and read back as what it was."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from gauntlet.runs.states import CaseStatus
from gauntlet.testing.results.junit import parse_junit
from gauntlet.testing.results.model import Attachment, RunResult
from gauntlet.testing.results.reports.junit_report import render_junit

#: By junit-10.xsd of Jenkins' xunit plugin: what may stand in each element, and what must be said of it.
RERUNS = ("rerunFailure", "rerunError", "flakyFailure", "flakyError")
OUTCOMES = ("failure", "error", "skipped", *RERUNS)
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testsuite", "properties", "testcase", "system-out", "system-err"},
    "properties": {"property"},
    "testcase": {*OUTCOMES, "system-out", "system-err"},
    **{name: {"stackTrace", "system-out", "system-err"} for name in RERUNS},
}
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {
        "name",
        "tests",
        "failures",
        "errors",
        "group",
        "time",
        "skipped",
        "timestamp",
        "hostname",
        "id",
        "package",
        "file",
        "log",
        "url",
    },
    "testcase": {"name", "time", "classname", "group"},
    "property": {"name", "value"},
    **{name: {"type", "message"} for name in OUTCOMES},
}
REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors"},
    "testcase": {"name"},
    "property": {"name", "value"},
    **{name: {"type"} for name in RERUNS},
}
TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")


def root_of(run: RunResult) -> ET.Element:
    return ET.fromstring(render_junit(run).encode())  # noqa: S314


def test_it_is_valid_by_the_schema_of_jenkins(run: RunResult) -> None:
    for element in root_of(run).iter():
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set()), element.tag
        assert set(element.attrib) <= ATTRIBUTES.get(element.tag, set()), element.tag
        assert set(element.attrib) >= REQUIRED.get(element.tag, set()), element.tag
        assert TIME.fullmatch(element.get("time", ""))


def test_its_counters_are_the_counts(run: RunResult) -> None:
    root = root_of(run)
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("6", "1", "2")
    for suite in root.iter("testsuite"):
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert suite.get("errors") == str(len(suite.findall("testcase/error")))
        assert suite.get("skipped") == str(len(suite.findall("testcase/skipped")))


def test_what_is_written_is_read_back(run: RunResult) -> None:
    report = parse_junit(render_junit(run).encode())
    assert report.warnings == ()
    read = {case.name: case for case in report.cases}
    assert len(read) == len(run.cases)
    for case in run.cases:
        name = next(name for name in read if name.startswith(case.name[:6]))
        assert (read[name].status, read[name].flaky) == (case.status, case.flaky)
        assert round(read[name].duration_ms, 3) == round(case.duration_ms / 1000, 3) * 1000
    shaky = read["shaky"]
    assert [(rerun.message, rerun.details) for rerun in shaky.reruns] == [("once", "first trace")]
    assert shaky.attachments == (Attachment("a.png", "shots/a.png"),)
    assert shaky.properties == {"flaky": "true", "shard": "0", "attempts": "2"}
    assert read["skip"].properties["xfail"] == "bug 9"


def test_a_lost_case_is_an_error_with_its_reason(run: RunResult) -> None:
    [lost] = [case for case in parse_junit(render_junit(run).encode()).cases if case.name == "lost"]
    assert (lost.status, lost.message) == (CaseStatus.ERROR, "not run: shard 1 was lost (OOMKilled: too much)")
