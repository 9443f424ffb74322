"""The report that people read: one HTML file that needs no network, opens at once with 10,000 cases, and prints.

Everything that a test could have written is data here: Jinja2 escapes it, the embedded JSON cannot end its script
element, the browser shows it as text only, and the file's own Content-Security-Policy lets no other script run.
Looks are in ``templates/``; what is shown is decided here.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, Template
from markupsafe import Markup

from gauntlet.runs.states import CaseStatus, State
from gauntlet.testing.results.model import CaseResult, RunResult
from gauntlet.testing.results.reports.json_report import moment
from gauntlet.testing.results.reports.timeline import timeline
from gauntlet.testing.results.text import cut, duration, size, speakable

_PACKAGE = "gauntlet.testing.results.reports"

#: So many failures are written out in full; the others are in the table, with message and traceback.
MAX_FAILURES = 200
MAX_FLAKY = 100
MAX_SLOWEST = 20
#: The JSON report has all of a text; a browser has to stay quick.
MAX_DETAILS_CHARACTERS = 30_000
MAX_OUTPUT_CHARACTERS = 20_000
MAX_MESSAGE_CHARACTERS = 500
#: Characters of tracebacks in the table's data, over all cases.
MAX_EMBEDDED_CHARACTERS = 8_000_000

_HEADLINES: Mapping[State, str] = {
    State.COMPLETED: "Passed",
    State.FAILED: "Failed",
    State.TIMEOUT: "Timed out",
    State.CANCELLED: "Cancelled",
    State.REJECTED: "Refused",
    State.EXPIRED: "Expired",
}
_CODES: Mapping[CaseStatus, str] = {
    CaseStatus.PASSED: "p",
    CaseStatus.FAILED: "f",
    CaseStatus.ERROR: "e",
    CaseStatus.SKIPPED: "s",
}


def render_html(result: RunResult) -> str:
    """The report as an HTML document."""
    style, script = _asset("report.css"), _asset("report.js")
    failures = [case for case in result.cases if case.red and case.ran]
    shown = failures[:MAX_FAILURES]
    return _template().render(
        run=result,
        headline=_headline(result),
        tone=_tone(result),
        numbers=_numbers(result),
        failures=shown,
        failures_left_out=len(failures) - len(shown),
        not_run=_not_run(result.cases),
        flaky=[case for case in result.cases if case.flaky][:MAX_FLAKY],
        slowest=_slowest(result.cases),
        timeline=timeline(result.shards),
        cases=Markup(_embedded(_table(result.cases, shown))),  # noqa: S704 - made safe by _embedded
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        policy=_policy(script),
        max_details=MAX_DETAILS_CHARACTERS,
        max_output=MAX_OUTPUT_CHARACTERS,
    )


def _headline(result: RunResult) -> str:
    if result.verdict.state is State.FAILED and result.verdict.exit_code != 1:
        return "Incomplete" if result.counts.tests > result.counts.not_run else "Could not run"
    return _HEADLINES[result.verdict.state]


def _tone(result: RunResult) -> str:
    """The colour of the headline."""
    if result.verdict.state is State.COMPLETED:
        return "good"
    return "bad" if result.verdict.state in (State.FAILED, State.TIMEOUT) else "still"


def _numbers(result: RunResult) -> list[dict[str, Any]]:
    """The counts in the order in which they are shown; ``filter`` is what a click on one shows in the table."""
    counts = result.counts
    return [
        {"label": "tests", "value": counts.tests, "tone": "all", "filter": "", "part": 0},
        {"label": "passed", "value": counts.passed, "tone": "passed", "filter": "p", "part": counts.passed},
        {"label": "failed", "value": counts.failed, "tone": "failed", "filter": "f", "part": counts.failed},
        {"label": "errors", "value": counts.errors, "tone": "error", "filter": "e", "part": counts.errors},
        {"label": "skipped", "value": counts.skipped, "tone": "skipped", "filter": "s", "part": counts.skipped},
        {"label": "flaky", "value": counts.flaky, "tone": "flaky", "filter": "y", "part": 0},
        {"label": "not run", "value": counts.not_run, "tone": "unrun", "filter": "n", "part": 0},
    ]


def _not_run(cases: Sequence[CaseResult]) -> list[tuple[str, int]]:
    """Why cases were not run, each reason once with the number of cases: a lost shard has hundreds."""
    return Counter(case.message for case in cases if not case.ran).most_common()


def _slowest(cases: Sequence[CaseResult]) -> list[CaseResult]:
    timed = [case for case in cases if case.duration_ms > 0]
    return sorted(timed, key=lambda case: -case.duration_ms)[:MAX_SLOWEST]


def _table(cases: Sequence[CaseResult], shown: Sequence[CaseResult]) -> list[list[Any]]:
    """A row for each case, as short as can be: see ``report.js`` for the columns."""
    place = {(case.id, case.occurrence): number for number, case in enumerate(shown)}
    room = MAX_EMBEDDED_CHARACTERS
    rows: list[list[Any]] = []
    for case in cases:
        number = place.get((case.id, case.occurrence), -1) if case.red else -1
        details = ""
        if number < 0 and room > 0 and (case.red or case.flaky):
            details = cut(case.details or "\n".join(rerun.details for rerun in case.reruns), MAX_OUTPUT_CHARACTERS)
            room -= len(details)
        row: list[Any] = [
            case.id,
            _CODES[case.status] + ("y" if case.flaky else "") + ("" if case.ran else "n"),
            round(case.duration_ms, 1),
            case.shard if case.shard is not None else -1,
            cut(case.message, MAX_MESSAGE_CHARACTERS),
            f"{case.file}:{case.line}" if case.line is not None else case.file,
            case.attempts,
            number,
            details,
            "\n".join(f"{name} = {value}" for name, value in case.properties.items()),
        ]
        while row and row[-1] in ("", -1):
            row.pop()
        rows.append(row)
    return rows


def _embedded(rows: list[list[Any]]) -> str:
    """JSON that cannot end the script element it stands in, nor mean anything to an HTML parser."""
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return speakable(text)


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'"


@lru_cache(maxsize=4)
def _asset(name: str) -> str:
    return resources.files(_PACKAGE).joinpath("templates", name).read_text("utf-8")


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(loader=PackageLoader(_PACKAGE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "duration": duration,
        "size": size,
        "moment": _spoken_moment,
        "cut": lambda text, most: speakable(cut(text, most)),
        "speakable": speakable,
        "number": lambda value: f"{value:,}".replace(",", "\u202f"),
    }
    return environment.get_template("report.html.j2")


def _spoken_moment(seconds: float) -> str:
    text = moment(seconds)
    return f"{text[:10]} {text[11:19]} UTC" if text else "unknown"
