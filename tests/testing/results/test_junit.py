"""Reports as tools really write them, and as nobody should."""

from __future__ import annotations

import io
import resource
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gauntlet.runs.states import CaseStatus
from gauntlet.testing.results import junit
from gauntlet.testing.results.junit import ParsedReport, parse_junit
from gauntlet.testing.results.junit_elements import MAX_TEXT_CHARACTERS
from gauntlet.testing.results.model import Attachment, CaseResult


def parse(text: str | bytes) -> ParsedReport:
    return parse_junit(text.encode() if isinstance(text, str) else text)


def only(text: str | bytes) -> CaseResult:
    report = parse(text)
    assert len(report.cases) == 1, report
    return report.cases[0]


def suite(inside: str, attributes: str = 'name="s"') -> str:
    return f'<?xml version="1.0"?><testsuites><testsuite {attributes}>{inside}</testsuite></testsuites>'


def test_pytest_s_report_is_read() -> None:
    report = parse(
        suite(
            '<properties><property name="build" value="7"/></properties>'
            '<testcase classname="pkg.test_a.TestX" name="test_ok[1-a]" time="0.012" file="pkg/test_a.py" line="3"/>'
            '<testcase classname="pkg.test_a" name="test_bad" time="1.5">'
            '<properties><property name="ticket" value="A-1"/></properties>'
            '<failure message="assert 1 == 2">def test_bad():\n&gt;  assert 1 == 2</failure>'
            "<system-out>printed</system-out><system-err>logged</system-err></testcase>"
            '<testcase classname="pkg.test_a" name="test_skip"><skipped type="pytest.skip" message="why">f.py:1: why'
            "</skipped></testcase>"
            '<testcase classname="pkg.test_a" name="test_x"><skipped type="pytest.xfail" message="bug 9"/></testcase>'
            '<testcase classname="pkg.test_a" name="test_setup"><error message="failed on setup">boom</error>'
            "</testcase>",
            'name="pytest" errors="99" failures="99" tests="99"',
        )
    )
    assert report.warnings == ()
    ok, bad, skipped, xfail, error = report.cases
    assert (ok.id, ok.name, ok.file, ok.line) == (
        "pkg.test_a.TestX::test_ok[1-a]",
        "test_ok[1-a]",
        "pkg/test_a.py",
        3,
    )
    assert (ok.status, ok.duration_ms, ok.suite) == (CaseStatus.PASSED, 12.0, "pytest")
    assert (bad.status, bad.message, bad.details) == (
        CaseStatus.FAILED,
        "assert 1 == 2",
        "def test_bad():\n>  assert 1 == 2",
    )
    assert (bad.stdout, bad.stderr, bad.properties) == ("printed", "logged", {"ticket": "A-1"})
    assert (skipped.status, skipped.message, skipped.properties) == (CaseStatus.SKIPPED, "why", {})
    assert (xfail.status, xfail.properties) == (CaseStatus.SKIPPED, {"xfail": "bug 9"})
    assert (error.status, error.message) == (CaseStatus.ERROR, "failed on setup")


def test_a_failed_call_and_its_broken_teardown_are_one_case_in_error() -> None:
    case = only(
        suite(
            '<testcase classname="c" name="t" time="1"><failure message="assert 0">call</failure></testcase>'
            '<testcase classname="c" name="t" time="0.5">'
            '<error message="failed on teardown with &quot;E&quot;">teardown</error></testcase>'
        )
    )
    assert (case.status, case.message, case.details, case.duration_ms) == (
        CaseStatus.ERROR,
        "assert 0",
        "call\n\nteardown",
        1500.0,
    )


def test_surefire_s_reruns_tell_flaky_from_failed() -> None:
    flaky, failed = parse(
        suite(
            '<testcase name="a" classname="C"><flakyFailure message="once" type="X"><stackTrace>at A</stackTrace>'
            "<system-out>noise</system-out></flakyFailure>"
            '<flakyError message="twice" type="Y">at B</flakyError></testcase>'
            '<testcase name="b" classname="C"><failure message="no" type="X">at C</failure>'
            '<rerunFailure message="again" type="X"><stackTrace>at D</stackTrace></rerunFailure></testcase>'
        )
    ).cases
    assert (flaky.status, flaky.flaky, flaky.attempts) == (CaseStatus.PASSED, True, 3)
    assert [(rerun.message, rerun.details, rerun.status.value) for rerun in flaky.reruns] == [
        ("once", "at A", "failed"),
        ("twice", "at B", "error"),
    ]
    assert flaky.stdout == ""
    assert (failed.status, failed.flaky, failed.attempts, failed.message) == (CaseStatus.FAILED, False, 2, "no")


def test_of_several_results_in_one_case_the_most_severe_counts() -> None:
    case = only(
        suite(
            '<testcase name="t"><skipped message="s"/><failure message="f">F</failure><error message="e">E</error>'
            '<failure message="f2">F2</failure></testcase>'
        )
    )
    assert (case.status, case.message, case.details) == (CaseStatus.ERROR, "e", "F\nE\nF2")


def test_nested_suites_and_a_bare_testsuite_as_root_are_read() -> None:
    report = parse(
        '<testsuite name="outer" file="o.js"><testsuite name="inner"><testcase name="a"/></testsuite>'
        '<testcase name="b"/></testsuite>'
    )
    assert [(case.name, case.suite, case.file) for case in report.cases] == [
        ("a", "inner", "o.js"),
        ("b", "outer", "o.js"),
    ]


def test_mocha_s_and_cypress_s_root_suite_lends_its_file() -> None:
    report = parse(
        '<testsuites><testsuite name="Root Suite" file="cypress/e2e/a.cy.js" tests="0"></testsuite>'
        '<testsuite name="login"><testcase name="login works" classname="works"/></testsuite>'
        '<testsuite name="Root Suite" file="cypress/e2e/b.cy.js"/>'
        '<testsuite name="logout"><testcase name="t" classname="c"/></testsuite></testsuites>'
    )
    assert [case.file for case in report.cases] == ["cypress/e2e/a.cy.js", "cypress/e2e/b.cy.js"]


def test_bazel_s_output_on_the_suite_belongs_to_its_only_case() -> None:
    case = only(suite('<testcase name="//pkg:test"/><system-out>log of the test</system-out>'))
    assert case.stdout == "log of the test"
    two = parse(suite('<testcase name="a"/><testcase name="b"/><system-out>both</system-out>'))
    assert [case.stdout for case in two.cases] == ["", ""]


def test_playwright_s_attachments_and_properties_in_output_are_read() -> None:
    case = only(
        suite(
            '<testcase name="login › works" classname="login.spec.ts" time="3">'
            "<system-out><![CDATA[\n[[ATTACHMENT|../out/login/trace.zip]]\n[[PROPERTY|owner=ann]]\nhello]]></system-out></testcase>"
        )
    )
    assert case.attachments == (Attachment("trace.zip", "../out/login/trace.zip"),)
    assert case.properties == {"owner": "ann"}


@pytest.mark.parametrize(
    "attribute", ['status="notrun"', 'result="suppressed"', 'status="skipped"', 'status="Disabled"']
)
def test_a_case_that_says_in_an_attribute_that_it_did_not_run_is_skipped(attribute: str) -> None:
    assert only(suite(f'<testcase name="t" {attribute}/>')).status is CaseStatus.SKIPPED


def test_duplicates_are_kept_and_numbered() -> None:
    report = parse(suite('<testcase classname="C" name="t"/>' * 3))
    assert [(case.id, case.occurrence) for case in report.cases] == [("C::t", 1), ("C::t", 2), ("C::t", 3)]


def test_a_message_that_is_missing_is_the_first_line_of_the_text() -> None:
    assert only(suite('<testcase name="t"><failure>\nfirst\nsecond</failure></testcase>')).message == "first"


def test_a_truncated_report_gives_what_was_whole_and_says_where_it_breaks_off() -> None:
    text = suite('<testcase name="a"/><testcase name="b"><failure message="m">long text')
    report = parse(text.split("</testsuite>", maxsplit=1)[0])
    assert [(case.name, case.status.value) for case in report.cases] == [("a", "passed"), ("b", "failed")]
    assert report.cases[1].details == "long text"
    assert "breaks off at line 1" in report.warnings[0]


def test_a_truncated_case_that_had_not_failed_yet_is_left_out() -> None:
    report = parse('<testsuite name="s"><testcase name="a"/><testcase name="b"><system-out>x')
    assert [case.name for case in report.cases] == ["a"]
    assert any("'b' is incomplete" in warning for warning in report.warnings)


@pytest.mark.parametrize(
    "data",
    [
        "\ufeff" + suite('<testcase name="é"/>'),
        suite('<testcase name="é"/>').encode("utf-16"),
        suite('<testcase name="é"/>').encode("utf-16-le"),
        '<?xml version="1.0" encoding="iso-8859-1"?><testsuite><testcase name="é"/></testsuite>'.encode("latin-1"),
        '<?xml version="1.0" encoding="utf-16"?><testsuite><testcase name="é"/></testsuite>'.encode(),
        '<?xml version="1.0" encoding="hex"?><testsuite><testcase name="é"/></testsuite>'.encode(),
        '\n\n  <?xml version="1.0"?><testsuite><testcase name="é"/></testsuite>'.encode(),
    ],
)
def test_byte_order_marks_and_declared_encodings_are_understood(data: str | bytes) -> None:
    assert only(data).name == "é"


@pytest.mark.parametrize(
    "nasty",
    [b"\x00", b"\x1b[31m", b"&#0;", b"&#x1B;", b"&#xD800;", b"&#99999999;", b"\xff\xfe", b"\xed\xa0\x80", b"\x0b"],
)
def test_characters_that_xml_forbids_do_not_end_the_reading(nasty: bytes) -> None:
    data = (
        b'<testsuite><testcase name="a'
        + nasty
        + b'"><failure>x'
        + nasty
        + b'y</failure></testcase><testcase name="b"/></testsuite>'
    )
    report = parse(data)
    assert [case.status.value for case in report.cases] == ["failed", "passed"]
    assert "\ufffd" in report.cases[0].details
    assert report.warnings == ()


def test_a_reference_is_recognised_wherever_the_chunks_part_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = suite("".join(f'<testcase name="{number}&#x1F600;&#27;&amp;"/>' for number in range(30)))
    whole = parse(text)
    for size in (1, 2, 3, 7, 300):
        monkeypatch.setattr(junit, "_CHUNK_BYTES", size)
        assert parse_junit(io.BytesIO(text.encode())) == whole
    assert whole.cases[0].name == "0😀\ufffd&"


def test_a_billion_laughs_are_not_expanded() -> None:
    bomb = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE testsuites [<!ENTITY l0 "ha">{bomb}]><testsuite><testcase name="&l9;"/></testsuite>'
    report = parse(text)
    assert report.cases == ()
    assert "declares entities" in report.warnings[0]


def test_an_external_entity_is_not_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    for declaration in (f'[<!ENTITY x SYSTEM "file://{secret}">]', f'SYSTEM "file://{secret}"'):
        report = parse(f'<!DOCTYPE t {declaration}><testsuite><testcase name="a&x;"/></testsuite>')
        assert "hunter2" not in repr(report)
        assert report.warnings


@pytest.mark.parametrize("text", ["", "   ", "not xml at all", "<html><body/></html>", '{"tests": 1}', "\x00" * 50])
def test_what_is_no_report_is_a_warning_and_no_error(text: str) -> None:
    report = parse(text)
    assert report.cases == ()
    assert report.warnings


@given(st.binary(max_size=300))
def test_no_bytes_whatever_raise(data: bytes) -> None:
    assert parse(data).warnings or data


@given(st.integers(0, 900))
def test_wherever_a_report_is_cut_its_whole_cases_are_kept(length: int) -> None:
    text = suite(
        "".join(
            f'<testcase name="t{number}" classname="C"><system-out>o</system-out></testcase>' for number in range(12)
        )
    )
    report = parse(text[:length])
    assert len(report.cases) == text[:length].count("</testcase>")
    assert report.warnings or length >= len(text)


def test_a_huge_text_is_cut_and_says_so() -> None:
    case = only(suite(f'<testcase name="t"><system-out>{"x" * (MAX_TEXT_CHARACTERS + 500)}</system-out></testcase>'))
    assert len(case.stdout) < MAX_TEXT_CHARACTERS + 100
    assert case.stdout.endswith("… 500 characters left out")


def test_a_name_of_a_hundred_kilobytes_is_kept() -> None:
    name = "n" * 100_000
    assert only(suite(f'<testcase name="{name}" time="NaN"/>')).name == name


def test_nesting_without_end_does_no_harm() -> None:
    depth = 20_000
    report = parse('<testsuite name="s">' * depth + '<testcase name="t"/>' + "</testsuite>" * depth)
    assert [case.name for case in report.cases] == ["t"]


@pytest.mark.slow
def test_a_large_report_needs_little_memory() -> None:
    class Endless(io.RawIOBase):
        """200 MB of report that exist nowhere."""

        def __init__(self) -> None:
            self.left = 2_000
            self.part = b'<testcase classname="C" name="t"><system-out>' + b"x" * 100_000 + b"</system-out></testcase>"

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return (b"<testsuite>" if self.left == 1_999 else b"") + self.part if self.left >= 0 else b""

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counted = Counter(case.status for case in junit.iter_junit(Endless(), []))  # type: ignore[arg-type]
    assert counted[CaseStatus.PASSED] == 2_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
