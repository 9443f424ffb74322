"""The report that CI servers read: JUnit XML by the schema that Jenkins, GitLab, GitHub's actions and others share.

The schema is Jenkins' xunit plugin's ``junit-10.xsd``. It knows no properties on a case, so those travel in the
case's output as ``[[PROPERTY|name=value]]`` lines, the convention that Testmo and others read; reruns are Surefire's
``flakyFailure`` and ``rerunFailure`` elements. One test suite per class (else file), and not per shard: names must
not change when a case moves to another shard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

from gauntlet.runs.states import CaseStatus
from gauntlet.testing.results.model import CaseResult, Counts, Rerun, RunResult
from gauntlet.testing.results.reports.json_report import moment
from gauntlet.testing.results.text import speakable


def render_junit(result: RunResult) -> str:
    """The report as an XML document."""
    return "".join(_document(result))


def _document(result: RunResult) -> Iterator[str]:
    counts = result.counts
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield (
        f'<testsuites{_attributes(name=result.name)} tests="{counts.tests}" failures="{counts.failed}"'
        f' errors="{counts.errors}" time="{result.duration_ms / 1000:.3f}">\n'
    )
    groups: dict[str, list[CaseResult]] = {}
    for case in result.cases:
        groups.setdefault(case.classname or case.file or result.name, []).append(case)
    for name, cases in groups.items():
        yield from _suite(result, name, cases)
    yield "</testsuites>\n"


def _suite(result: RunResult, name: str, cases: list[CaseResult]) -> Iterator[str]:
    counts = Counts.of(cases)
    seconds = sum(max(0.0, case.duration_ms) for case in cases) / 1000
    began = moment(min((case.started_at for case in cases if case.started_at), default=result.started_at))
    attributes = _attributes(name=name, file=cases[0].file, timestamp=(began or "").removesuffix("Z"))
    yield (
        f'  <testsuite{attributes} tests="{counts.tests}" failures="{counts.failed}" errors="{counts.errors}"'
        f' skipped="{counts.skipped}" time="{seconds:.3f}">\n'
    )
    yield "    <properties>\n"
    for key, value in (("gauntlet.execution", result.public_id), ("gauntlet.flaky", str(counts.flaky))):
        yield f"      <property{_attributes(name=key, value=value)}/>\n"
    yield "    </properties>\n"
    for case in cases:
        yield from _case(case, name)
    yield "  </testsuite>\n"


def _case(case: CaseResult, suite: str) -> Iterator[str]:
    head = _attributes(name=case.name, classname=case.classname or suite)
    inside = "".join(_inside(case))
    opening = f'    <testcase{head} time="{max(0.0, case.duration_ms) / 1000:.3f}"'
    yield f"{opening}>{inside}</testcase>\n" if inside else f"{opening}/>\n"


def _inside(case: CaseResult) -> Iterator[str]:
    if case.status is CaseStatus.FAILED:
        yield _outcome("failure", "AssertionError", case.message, case.details)
    elif case.status is CaseStatus.ERROR:
        yield _outcome("error", "Error" if case.ran else "NotRun", case.message, case.details)
    elif case.status is CaseStatus.SKIPPED:
        yield _outcome("skipped", "pytest.xfail" if "xfail" in case.properties else "skipped", case.message, "")
    passed = case.status is CaseStatus.PASSED
    yield from (_rerun(rerun, "flaky" if passed else "rerun") for rerun in case.reruns)
    output = "\n".join((*_facts(case), case.stdout)) if case.stdout else "\n".join(_facts(case))
    if output:
        yield f"<system-out>{_text(output)}</system-out>"
    if case.stderr:
        yield f"<system-err>{_text(case.stderr)}</system-err>"


def _facts(case: CaseResult) -> Iterable[str]:
    """What the schema has no place for, as lines of output."""
    facts = dict(case.properties)
    if case.flaky:
        facts["flaky"] = "true"
    if case.shard is not None:
        facts["shard"] = str(case.shard)
    if case.attempts > 1:
        facts["attempts"] = str(case.attempts)
    lines = [f"[[PROPERTY|{_one_line(name)}={_one_line(value)}]]" for name, value in facts.items()]
    return lines + [f"[[ATTACHMENT|{_one_line(attachment.path)}]]" for attachment in case.attachments]


def _outcome(element: str, kind: str, message: str, details: str) -> str:
    return f"<{element}{_attributes(type=kind, message=message)}>{_text(details)}</{element}>"


def _rerun(rerun: Rerun, how: str) -> str:
    what = "Failure" if rerun.status is CaseStatus.FAILED else "Error"
    attributes = _attributes(type=f"attempt {rerun.attempt}", message=rerun.message)
    return f"<{how}{what}{attributes}><stackTrace>{_text(rerun.details)}</stackTrace></{how}{what}>"


def _attributes(**values: str) -> str:
    """Attributes; empty ones are left out, but for those that the schema requires."""
    given = ((name, value) for name, value in values.items() if value or name in ("name", "value"))
    return "".join(f" {name}={quoteattr(speakable(value))}" for name, value in given)


def _text(text: str) -> str:
    return escape(speakable(text))


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())
