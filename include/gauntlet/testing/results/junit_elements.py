"""What the elements of a JUnit report mean, told as a parser meets them: suites, cases, results, output.

A small state machine fed with start, text and end; finished cases are taken out. No bytes, no files, no XML parser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from gauntlet.runs.states import CaseStatus
from gauntlet.testing.results.junit_time import parse_seconds
from gauntlet.testing.results.model import Attachment, CaseResult, Rerun

#: Longer texts are cut while they are read: a report may hold gigabytes.
MAX_TEXT_CHARACTERS = 1_000_000

_ROOTS = frozenset({"testsuites", "testsuite"})
#: Several results in one case: the most severe one counts.
_SEVERITY = {CaseStatus.PASSED: 0, CaseStatus.SKIPPED: 1, CaseStatus.FAILED: 2, CaseStatus.ERROR: 3}
_RESULTS = {"failure": CaseStatus.FAILED, "error": CaseStatus.ERROR, "skipped": CaseStatus.SKIPPED}
_RERUNS = {
    "rerunFailure": CaseStatus.FAILED,
    "flakyFailure": CaseStatus.FAILED,
    "rerunError": CaseStatus.ERROR,
    "flakyError": CaseStatus.ERROR,
}
_OUTPUTS = frozenset({"system-out", "system-err"})
#: Elements whose text is wanted.
_TEXTS = frozenset({*_RESULTS, *_RERUNS, *_OUTPUTS, "stackTrace", "property"})
#: GoogleTest and others say so in an attribute.
_NOT_RUN = frozenset({"notrun", "skipped", "disabled", "suppressed", "ignored", "pending"})
_MARK = re.compile(r"\[\[(ATTACHMENT|PROPERTY)\|([^\]\n]{1,4000})\]\]")
_XFAIL = "pytest.xfail"
_MAX_DEPTH = 200


@dataclass
class _Suite:
    """A suite that is open."""

    name: str
    file: str
    cases: int = 0
    output: dict[str, str] = field(default_factory=dict)


@dataclass
class _Case:
    """A case that is open."""

    attributes: dict[str, str]
    suite: str
    file: str
    status: CaseStatus = CaseStatus.PASSED
    message: str = ""
    details: list[str] = field(default_factory=list)
    output: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    reruns: list[Rerun] = field(default_factory=list)
    flaky: bool = False


@dataclass
class _Open:
    """An element whose text is being read."""

    name: str
    attributes: dict[str, str]
    parts: list[str] = field(default_factory=list)
    length: int = 0

    def add(self, text: str) -> None:
        if self.length < MAX_TEXT_CHARACTERS:
            self.parts.append(text[: MAX_TEXT_CHARACTERS - self.length])
        self.length += len(text)

    @property
    def text(self) -> str:
        over = self.length - MAX_TEXT_CHARACTERS
        tail = f"\n… {over:,} characters left out" if over > 0 else ""
        return "".join(self.parts) + tail


class Suites:
    """The reading of one report.

    :ivar root: the name of the root element; empty before it was met.
    :ivar warnings: what was odd, as sentences.
    """

    def __init__(self) -> None:
        self.root = ""
        self.warnings: list[str] = []
        self._suites: list[_Suite] = []
        self._case: _Case | None = None
        self._texts: list[_Open] = []
        self._depth = 0
        self._mocha_file = ""
        self._waiting: CaseResult | None = None
        self._done: list[CaseResult] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = name.rpartition(":")[2]
        self._depth += 1
        if not self.root:
            self.root = name
            if name not in _ROOTS:
                self.warnings.append(f"the root element is <{name}>, not <testsuites> or <testsuite>")
        if name == "testsuite":
            self._open_suite(attributes)
        elif name == "testcase":
            self._open_case(attributes)
        elif name in _TEXTS:
            self._texts.append(_Open(name, attributes))
            if self._case is not None and name in _RESULTS:
                self._result(self._case, _RESULTS[name], attributes)

    def document_type(self, *_: object) -> None:
        """The document declares a type of its own."""
        self.warnings.append("the document type declaration was ignored, and so is what refers to it")

    def text(self, text: str) -> None:
        """Characters inside the element that was begun last."""
        if self._texts:
            self._texts[-1].add(text)

    def end(self, name: str) -> None:
        """An element ends."""
        name = name.rpartition(":")[2]
        self._depth -= 1
        if name == "testcase":
            self._close_case()
        elif name == "testsuite":
            self._close_suite()
        elif self._texts and self._texts[-1].name == name:
            self._close_text(self._texts.pop())

    def take(self) -> list[CaseResult]:
        """The cases that are finished since the last time."""
        done, self._done = self._done, []
        return done

    def finish(self, *, broken: bool) -> list[CaseResult]:
        """The last cases.

        :param broken: whether the report broke off: then a case that was open counts only when it was already seen
            to have failed, because what is missing may be its failure.
        """
        while self._texts:
            self._close_text(self._texts.pop())
        if self._case is not None:
            name = self._case.attributes.get("name", "")
            if broken and self._case.status in (CaseStatus.FAILED, CaseStatus.ERROR):
                self._close_case()
            else:
                self.warnings.append(f"the case {name[:200]!r} is incomplete and was left out")
                self._case = None
        while self._suites:
            self._close_suite()
        self._release()
        return self.take()

    def _open_suite(self, attributes: dict[str, str]) -> None:
        parent = self._suites[-1] if self._suites else None
        name = attributes.get("name", "") or (parent.name if parent else "")
        file = attributes.get("file", "") or attributes.get("filepath", "") or (parent.file if parent else "")
        # Mocha's and Cypress' first suite is empty and alone knows the file.
        if name == "Root Suite":
            self._mocha_file = file
        if len(self._suites) < _MAX_DEPTH:
            self._suites.append(_Suite(name, file or self._mocha_file))
        else:
            self._suites.append(self._suites[-1])

    def _close_suite(self) -> None:
        if not self._suites:
            return
        suite = self._suites.pop()
        # Bazel puts a single test's output on its suite.
        if suite.cases == 1 and self._waiting is not None and suite.output:
            self._waiting = _with_output(self._waiting, suite.output)

    def _open_case(self, attributes: dict[str, str]) -> None:
        if self._case is not None:
            self._close_case()
        suite = self._suites[-1] if self._suites else _Suite("", "")
        suite.cases += 1
        self._case = _Case(attributes, suite.name, attributes.get("file", "") or suite.file)
        said = {attributes.get("status", "").lower(), attributes.get("result", "").lower()}
        if said & _NOT_RUN:
            self._case.status = CaseStatus.SKIPPED

    def _result(self, case: _Case, status: CaseStatus, attributes: dict[str, str]) -> None:
        message = attributes.get("message", "")
        if _SEVERITY[status] > _SEVERITY[case.status]:
            case.status, case.message = status, message
        elif status is case.status:
            case.message = case.message or message
        if attributes.get("type") == _XFAIL:
            case.properties["xfail"] = attributes.get("message", "") or "true"

    def _close_text(self, element: _Open) -> None:
        name, text = element.name, element.text
        if self._case is None:
            if name in _OUTPUTS and self._suites:
                self._suites[-1].output[name] = text
            return
        case = self._case
        inside = self._texts[-1] if self._texts else None
        if inside is not None and inside.name in _RERUNS:
            if name == "stackTrace":
                inside.add(text)
        elif name in _RESULTS:
            self._details(case, element)
        elif name in _RERUNS:
            message = element.attributes.get("message", "")
            case.reruns.append(Rerun(len(case.reruns) + 1, _RERUNS[name], message, text.strip("\n")))
            case.flaky = case.flaky or name.startswith("flaky")
        elif name in _OUTPUTS:
            case.output[name] = case.output.get(name, "") + text
        elif name == "property" and element.attributes.get("name"):
            case.properties[element.attributes["name"]] = element.attributes.get("value", text)

    def _details(self, case: _Case, element: _Open) -> None:
        text = element.text.strip("\n")
        if not text or (element.name == "skipped" and case.status is not CaseStatus.SKIPPED):
            return
        if not case.message:
            case.message = text.strip().partition("\n")[0][:500]
        case.details.append(text)

    def _close_case(self) -> None:
        case, self._case = self._case, None
        if case is None:
            return
        result = _result_of(case, self.warnings)
        if self._waiting is not None and _is_teardown_of(result, self._waiting):
            self._waiting = _joined(self._waiting, result)
            if self._suites:
                self._suites[-1].cases -= 1
            return
        self._release()
        self._waiting = result

    def _release(self) -> None:
        """Let the case go that waited for what might belong to it."""
        if self._waiting is not None:
            self._done.append(self._waiting)
            self._waiting = None


def _result_of(case: _Case, warnings: list[str]) -> CaseResult:
    attributes = case.attributes
    name, classname = attributes.get("name", ""), attributes.get("classname", "") or attributes.get("class", "")
    stdout, stderr = case.output.get("system-out", ""), case.output.get("system-err", "")
    properties, attachments = dict(case.properties), []
    for kind, value in _MARK.findall(stdout) if "[[" in stdout else ():
        if kind == "ATTACHMENT":
            attachments.append(Attachment(value.replace("\\", "/").rpartition("/")[2], value))
        else:
            key, _, text = value.partition("=")
            properties[key] = text
    seconds = parse_seconds(attributes["time"]) if "time" in attributes else None
    if seconds is None and attributes.get("time", "").strip() and len(warnings) < _MAX_DEPTH:
        warnings.append(f"the time {attributes['time'][:40]!r} of {name[:200]!r} is none")
    scope = classname or case.file or case.suite
    flaky = case.flaky and case.status is CaseStatus.PASSED
    return CaseResult(
        id=f"{scope}::{name}" if scope else name,
        name=name,
        status=case.status,
        suite=case.suite,
        classname=classname,
        file=case.file,
        line=_line(attributes.get("line") or attributes.get("lineno") or ""),
        flaky=flaky,
        duration_ms=(seconds or 0.0) * 1000,
        message=case.message,
        details="\n".join(case.details),
        stdout=stdout,
        stderr=stderr,
        attempts=1 + len(case.reruns),
        properties=properties,
        attachments=tuple(attachments),
        reruns=tuple(case.reruns),
    )


def _line(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _with_output(case: CaseResult, output: dict[str, str]) -> CaseResult:
    return replace(
        case,
        stdout=case.stdout or output.get("system-out", ""),
        stderr=case.stderr or output.get("system-err", ""),
    )


def _is_teardown_of(second: CaseResult, first: CaseResult) -> bool:
    """pytest writes a case twice when its call failed and its tear-down ended in an error."""
    same = (second.id, second.suite, second.file) == (first.id, first.suite, first.file)
    return same and second.status is CaseStatus.ERROR and "on teardown" in second.message[:200]


def _joined(first: CaseResult, teardown: CaseResult) -> CaseResult:
    return replace(
        first,
        status=CaseStatus.ERROR,
        duration_ms=first.duration_ms + teardown.duration_ms,
        message=first.message or teardown.message,
        details="\n\n".join(part for part in (first.details, teardown.details) if part),
        stdout=first.stdout or teardown.stdout,
        stderr=first.stderr or teardown.stderr,
    )
