"""The HTML report: safe whatever is in it, whole, and small enough to open at once."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from gauntlet.runs.states import CaseStatus, State
from gauntlet.testing.results.model import CaseResult, Counts, RunResult, ShardResult, Verdict
from gauntlet.testing.results.reports import html_report
from gauntlet.testing.results.reports.html_report import render_html

VOID = {"meta", "input", "br", "line", "img", "link", "hr"}


class Page(HTMLParser):
    """What a browser would make of a page: elements with attributes, scripts, and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def rows(self) -> list[list[Any]]:
        rows: list[list[Any]] = json.loads(self.scripts[0])
        return rows


def test_nothing_that_a_test_wrote_becomes_markup(run: RunResult) -> None:
    page = Page(render_html(run))
    assert page.open == []
    assert len(page.scripts) == 2
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert not [attrs for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert "{{ 7*7 }}" in page.text


def test_only_our_own_script_may_run_and_nothing_is_fetched(run: RunResult) -> None:
    html = render_html(run)
    page = Page(html)
    policy = next(attrs["content"] for tag, attrs in page.elements if tag == "meta" and "http-equiv" in attrs)
    digest = base64.b64encode(hashlib.sha256(page.scripts[1].encode()).digest()).decode()
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    loaded = [(tag, attrs) for tag, attrs in page.elements if "src" in attrs or tag in ("link", "iframe", "object")]
    assert loaded == []
    links = [attrs["href"] for tag, attrs in page.elements if tag == "a" and attrs.get("href", "#")[:1] != "#"]  # type: ignore[index]
    assert links == ["http://127.0.0.1:8080/x"]


def test_everything_that_matters_is_said(run: RunResult) -> None:
    text = Page(render_html(run)).text
    for expected in (
        "exec-f3a9c2b177e0",
        "Incomplete",
        run.verdict.reason,
        "boom",
        "trace </script>",
        "out </script>",
        "shard 1 was lost (OOMKilled: too much)",
        "first trace",
        "pod-0",
        "OOMKilled",
        "256 MiB",
        "1 warning",
        "framework",
        "1 files kept",
        "1.5 s",
    ):
        assert expected in text, expected


def test_the_table_s_data_holds_every_case_once(run: RunResult) -> None:
    rows = Page(render_html(run)).rows()
    assert rows[0][0] == "t.py::ok"
    assert [row[1] for row in rows] == ["p", "f", "e", "s", "py", "en"]
    assert rows[1][7] == 0
    assert rows[4][8] == "first trace"


def test_failures_past_the_limit_keep_their_traceback_in_the_table(
    run: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_report, "MAX_FAILURES", 1)
    page = Page(render_html(run))
    assert "1 more failures are in the table" in page.text
    assert page.rows()[2][7:9] == [-1, "x"]


@pytest.mark.parametrize(
    ("state", "exit_code", "headline"),
    [
        (State.COMPLETED, 0, "Passed"),
        (State.FAILED, 1, "Failed"),
        (State.TIMEOUT, 2, "Timed out"),
        (State.CANCELLED, 2, "Cancelled"),
        (State.REJECTED, 3, "Refused"),
    ],
)
def test_the_headline_is_the_verdict(run: RunResult, state: State, exit_code: int, headline: str) -> None:
    judged = replace(run, verdict=Verdict(state, "", "because", exit_code))
    assert headline in Page(render_html(judged)).text


def test_a_run_without_any_result_has_a_report_too(run: RunResult) -> None:
    verdict = Verdict(State.FAILED, "CollectionFailed", "the tests cannot be listed", 2)
    empty = replace(run, verdict=verdict, counts=Counts(), cases=(), shards=(), warnings=(), artifacts=(), facts={})
    page = Page(render_html(empty))
    assert "Could not run" in page.text
    assert "the tests cannot be listed" in page.text
    assert page.open == []


def test_a_shard_that_never_started_is_listed(run: RunResult) -> None:
    shards = (*run.shards, ShardResult(2, run.shards[1].status, "NotStarted"))
    assert "NotStarted" in Page(render_html(replace(run, shards=shards))).text


def test_ten_thousand_cases_make_a_page_of_a_few_megabytes_in_a_second(run: RunResult) -> None:
    cases = tuple(
        CaseResult(
            f"pkg/tests/test_{n // 40}.py::TestThing::test_case[{n}-Graph]",
            "t",
            CaseStatus.PASSED,
            "s",
            "c",
            f"pkg/tests/test_{n // 40}.py",
            n,
            duration_ms=n / 7,
            shard=n % 4,
        )
        for n in range(10_000)
    )
    began = time.perf_counter()
    html = render_html(replace(run, cases=cases, counts=Counts.of(cases)))
    assert time.perf_counter() - began < 5
    assert len(html) < 3_000_000
    assert len(Page(html).rows()) == 10_000
